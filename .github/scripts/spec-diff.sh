#!/usr/bin/env bash
# Usage: spec-diff.sh BASE [DOCUMENT]
#
# Says what changes from the document of the git revision BASE to DOCUMENT (api/openapi.yaml): what breaks clients, what
# breaks servers, and all changes. Fails on a break, unless the major part of info.version rose. OASDIFF runs oasdiff.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=$1
document=${2:-api/openapi.yaml}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! git show "$base:api/openapi.yaml" >"$work/base.yaml" 2>"$work/error"; then
  echo "spec-diff: there is no document in the revision $base: $(cat "$work/error")" >&2
  exit 2
fi
cp "$document" "$work/new.yaml"

major() { sed -n 's/^  version: *\([0-9]*\)\..*/\1/p' "$1"; }
diff() { ${OASDIFF:?is not set: run make spec-diff} "$@" --color never; }
breaks=0

# An operation or a status that a server lacks is an addition to it, and no break.
additions='api-(path-)?removed|response-(non-)?success-status-removed|response-header-removed'

echo "What breaks clients of $base:"
diff breaking "$work/base.yaml" "$work/new.yaml" --format singleline >"$work/clients"
grep '^error' "$work/clients" | sed "s|at $work/[a-z.]*, ||" && breaks=1 || echo 'nothing'

echo
echo "What breaks servers of $base (told backwards: from the new document to the old one):"
diff breaking "$work/new.yaml" "$work/base.yaml" --format singleline >"$work/servers"
grep '^error' "$work/servers" | grep -vE "\[($additions)" | sed "s|at $work/[a-z.]*, ||" && breaks=1 || echo 'nothing'

echo
echo 'All changes:'
diff changelog "$work/base.yaml" "$work/new.yaml" --format singleline | sed "s|at $work/[a-z.]*, ||"

echo
if [ "$breaks" = 0 ]; then
  echo 'spec-diff: nothing breaks'
elif [ "$(major "$work/new.yaml")" -gt "$(major "$work/base.yaml")" ]; then
  echo 'spec-diff: there is a break, and the major part of the version rose'
else
  echo 'spec-diff: there is a break: mend it, or raise the major part of info.version' >&2
  exit 1
fi

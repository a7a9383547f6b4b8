#!/usr/bin/env bash
# Usage: spec-diff.sh BASE [DOCUMENT]
#
# Compares the document of the git revision BASE with DOCUMENT (default: api/openapi.yaml). It prints what breaks clients,
# what breaks servers, and all changes. A breaking change is a failure, unless the major part of info.version rose.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=$1
document=${2:-api/openapi.yaml}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! git show "$base:api/openapi.yaml" >"$work/base.yaml" 2>"$work/error"; then
  echo "spec-diff: the revision $base has no document: $(cat "$work/error")" >&2
  exit 2
fi
cp "$document" "$work/new.yaml"

oasdiff() { go run github.com/oasdiff/oasdiff@v1.36.0 "$@" --format singleline --color never; }
major() { sed -n 's/^  version: *\([0-9]*\)\..*/\1/p' "$1"; }
without_paths() { sed "s|at $work/[a-z.]*, ||"; }
breaks=0

# An operation, status or header that is new in the document does not break a server that lacks it.
additions='api-(path-)?removed|response-(non-)?success-status-removed|response-header-removed'

echo "The document: what breaks clients of $base:"
oasdiff breaking "$work/base.yaml" "$work/new.yaml" >"$work/clients"
grep '^error' "$work/clients" | without_paths && breaks=1 || echo 'nothing'

echo
echo "The document: what breaks servers of $base (compared in reverse, from the new document to the old one):"
oasdiff breaking "$work/new.yaml" "$work/base.yaml" >"$work/servers"
grep '^error' "$work/servers" | grep -vE "\[($additions)" | without_paths && breaks=1 || echo 'nothing'

echo
echo 'The document: all changes:'
oasdiff changelog "$work/base.yaml" "$work/new.yaml" | without_paths

echo
if [ "$breaks" = 0 ]; then
  echo 'spec-diff: no breaking change'
elif [ "$(major "$work/new.yaml")" -gt "$(major "$work/base.yaml")" ]; then
  echo 'spec-diff: a breaking change, with a new major version'
else
  echo 'spec-diff: a breaking change: undo it, or raise the major part of info.version' >&2
  exit 1
fi

#!/usr/bin/env bash
# Usage: release-check.sh TAG
#
# Checks whether the working tree can be released as TAG, and prints each reason why not.
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=${1-}
form='^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$'
if ! [[ $tag =~ $form ]]; then
  echo "release-check: '$tag' is not the tag of a release, such as v1.2.3 or v1.2.3-rc.1" >&2
  exit 2
fi
version=${tag#v}
major=${BASH_REMATCH[1]}
minor=${BASH_REMATCH[2]}
patch=${BASH_REMATCH[3]}

failed=0
fail() {
  echo "release-check: $1" >&2
  failed=1
}

if commit=$(git rev-parse --quiet --verify "refs/tags/$tag^{commit}") && [ "$commit" != "$(git rev-parse HEAD)" ]; then
  fail "the tag $tag exists, on another commit"
fi

agent=$(sed -n 's|^const ownUserAgent = "kalshiauth-go/\(.*\)"$|\1|p' kalshiauth/client.go)
if [ "$agent" != "$version" ]; then
  fail "ownUserAgent in kalshiauth/client.go has the version '$agent', and the tag has $version"
fi

# Go accepts a v2 only from a module whose path ends in /v2.
module=$(sed -n 's/^module //p' go.mod)
if [ "$major" -ge 2 ] && [ "${module##*/}" != "v$major" ]; then
  fail "the module path in go.mod does not end in /v$major"
fi

if ! bash .github/scripts/release-notes.sh "$tag" >/dev/null; then
  failed=1
fi

# The API of a release candidate may still change, so candidates are left out.
last=$(git tag --merged HEAD --sort=-version:refname |
  awk -v tag="$tag" '/^v[0-9]+\.[0-9]+\.[0-9]+$/ && $0 != tag && !some { print; some = 1 }')
if [ -z "$last" ]; then
  echo 'release-check: this is the first release, so there is no API to compare with'
else
  IFS=. read -r last_major last_minor _ <<<"${last#v}"
  if [ "$(printf '%s\n' "$last" "v$major.$minor.$patch" | sort -V | tail -n 1)" = "$last" ]; then
    fail "$tag is not higher than $last"
  fi
  changes=$(bash .github/scripts/api-diff.sh "$last")
  echo "$changes"
  if [ "$major" -eq "$last_major" ] && { [ "$major" -ge 1 ] || [ "$minor" -eq "$last_minor" ]; } &&
    grep -q '^Incompatible changes:' <<<"$changes"; then
    part=major
    if [ "$major" -eq 0 ]; then
      part='minor (below v1) or major'
    fi
    fail "the Go API has incompatible changes since $last: raise the $part part of the version"
  fi
fi

if [ "$failed" = 0 ]; then
  echo "release-check: $tag can be released"
fi
exit "$failed"

#!/usr/bin/env bash
# Usage: release.sh TAG
#
# Says whether the working tree can be released as TAG, and everything that is in the way. APIDIFF runs apidiff.
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=${1-}
form='^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$'
if ! [[ $tag =~ $form ]]; then
  echo "release: '$tag' is no tag of a release: v1.2.3 and v1.2.3-rc.1 are" >&2
  exit 2
fi
version=${tag#v}
major=${BASH_REMATCH[1]}
minor=${BASH_REMATCH[2]}
patch=${BASH_REMATCH[3]}

failed=0
fail() {
  echo "release: $1" >&2
  failed=1
}

if commit=$(git rev-parse --quiet --verify "refs/tags/$tag^{commit}") && [ "$commit" != "$(git rev-parse HEAD)" ]; then
  fail "the tag $tag is there already, on another commit"
fi

said=$(sed -n 's|^const userAgent = "kalshiauth-go/\(.*\)"$|\1|p' kalshiauth/client.go)
if [ "$said" != "$version" ]; then
  fail "userAgent in kalshiauth/client.go says version '$said', and the tag $version"
fi

# Go takes no v2 from a module whose path does not say so.
module=$(sed -n 's/^module //p' go.mod)
if [ "$major" -ge 2 ] && [ "${module##*/}" != "v$major" ]; then
  fail "the module path in go.mod does not end in /v$major"
fi

if ! bash .github/scripts/release-notes.sh "$tag" >/dev/null; then
  failed=1
fi

# A release candidate promises nothing yet, so none is compared with.
last=$(git tag --merged HEAD --sort=-version:refname |
  awk -v tag="$tag" '/^v[0-9]+\.[0-9]+\.[0-9]+$/ && $0 != tag && !some { print; some = 1 }')
if [ -z "$last" ]; then
  echo 'release: there is no release before, whose API could break'
else
  IFS=. read -r last_major last_minor _ <<<"${last#v}"
  if [ "$(printf '%s\n' "$last" "v$major.$minor.$patch" | sort -V | tail -n 1)" = "$last" ]; then
    fail "$tag is not above $last"
  fi
  echo "What changes in the Go API since $last:"
  changes=$(bash .github/scripts/api-diff.sh "$last")
  echo "$changes"
  if [ "$major" -eq "$last_major" ] && { [ "$major" -ge 1 ] || [ "$minor" -eq "$last_minor" ]; } &&
    grep -q '^Incompatible changes:' <<<"$changes"; then
    part=major
    if [ "$major" -eq 0 ]; then
      part='minor (below v1) or major'
    fi
    fail "the Go API changes incompatibly since $last, so the $part part of the version has to rise"
  fi
fi

if [ "$failed" = 0 ]; then
  echo "release: $tag can be released"
fi
exit "$failed"

#!/usr/bin/env bash
# Usage: release-check.sh TAG
#
# Checks whether the working tree can be released as TAG, and prints each reason why not. TAG is vX.Y.Z for the root
# module, and DIRECTORY/vX.Y.Z for the module in DIRECTORY.
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=${1-}
number=${tag##*/}
prefix=${tag%"$number"} # of all tags of this module
dir=${prefix%/}
gomod=${prefix}go.mod

refuse() {
  echo "release-check: $1" >&2
  exit 2
}
form='^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$'
if ! [[ $number =~ $form ]] || ! git check-ref-format "refs/tags/$tag"; then
  refuse "'$tag' is not the tag of a release, such as v1.2.3, v1.2.3-rc.1 or kalshiauth/redisstore/v1.2.3"
fi
version=${number#v}
major=${BASH_REMATCH[1]}
minor=${BASH_REMATCH[2]}
patch=${BASH_REMATCH[3]}
case /$prefix in
*/internal/*) refuse "users cannot import $dir: it gets no tag" ;;
esac
if [ ! -f "$gomod" ]; then
  refuse "there is no $gomod: before the version, write the directory of a module, or nothing for the root module"
fi

failed=0
fail() {
  echo "release-check: $1" >&2
  failed=1
}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/root" 2>/dev/null || true; rm -rf "$work"' EXIT

if commit=$(git rev-parse --quiet --verify "refs/tags/$tag^{commit}") && [ "$commit" != "$(git rev-parse HEAD)" ]; then
  fail "the tag $tag exists, on another commit: choose the next version"
fi

# Go accepts a v2 only from a module whose path ends in /v2.
root=$(sed -n 's/^module //p' go.mod)
path=$(sed -E 's|/v[0-9]+$||' <<<"$root")${dir:+/$dir}
if [ "$major" -ge 2 ]; then
  path=$path/v$major
fi
module=$(sed -n 's/^module //p' "$gomod")
if [ "$module" != "$path" ]; then
  fail "the module path in $gomod is $module, but users of $tag import $path: change the path or the version"
fi

# Go ignores the replace directives of a dependency. In this repository, a module replaces the root module by ../..,
# and users get the version that it requires.
directives=$(sed 's|//.*||' "$gomod")
for replaced in $(awk '/=>/ { print $1 == "replace" ? $2 : $1 }' <<<"$directives"); do
  if [ "$replaced" != "$root" ]; then
    fail "$gomod replaces $replaced, but not for users: remove the replace directive"
  fi
done
required=$(awk -v module="$root" '
  $1 == "require" { $1 = ""; $0 = $0 }
  $1 == module && $2 ~ /^v/ { print $2 }
' <<<"$directives")

if [ -z "$dir" ]; then
  agent=$(sed -n 's|^const ownUserAgent = "kalshiauth-go/\(.*\)"$|\1|p' kalshiauth/client.go)
  if [ "$agent" != "$version" ]; then
    fail "ownUserAgent in kalshiauth/client.go has the version '$agent', and the tag has $version"
  fi
elif [ -z "$required" ]; then
  fail "$gomod does not require $root: require its last release"
elif [[ $required =~ ^v0\.0\.0$|[0-9]{14}-[0-9a-f]{12}$ ]]; then
  fail "$gomod requires $root $required, which is no release: release the root module, and require that version"
elif [[ $required == *-* && $number != *-* ]]; then
  fail "$gomod requires $root $required, which is a release candidate: release the root module itself first"
elif ! git rev-parse --quiet --verify "refs/tags/$required^{commit}" >/dev/null; then
  fail "$gomod requires $root $required, which has no tag here: push its tag first, or get it with git fetch --tags"
elif ! git merge-base --is-ancestor "refs/tags/$required" HEAD; then
  fail "$gomod requires $root $required, whose tag is on another branch: require a release that is part of HEAD"
else
  git worktree add --quiet --detach "$work/root" "refs/tags/$required"
  cp "$gomod" "$work/users.mod"
  if [ -f "${prefix}go.sum" ]; then
    cp "${prefix}go.sum" "$work/users.sum"
  fi
  go mod edit -replace="$root=$work/root" "$work/users.mod"
  flags=(-mod=mod -modfile="$work/users.mod" -trimpath)
  if ! (cd "$dir" && go build "${flags[@]}" ./... && go vet "${flags[@]}" ./...); then
    fail "$dir does not work with $root $required, which it requires: release the root module, and require that version"
  fi
fi

if ! bash .github/scripts/release-notes.sh "$tag" >/dev/null; then
  failed=1
fi

# The API of a release candidate may still change, so candidates are left out.
last=$(git tag --merged HEAD --sort=-version:refname --list "${prefix}v*" | sed "s|^$prefix||" |
  awk -v number="$number" '/^v[0-9]+\.[0-9]+\.[0-9]+$/ && $0 != number && !some { print; some = 1 }')
if [ -z "$last" ]; then
  echo "release-check: this is the first release of $module, so there is no API to compare with"
elif [ "$(printf '%s\n' "$last" "v$major.$minor.$patch" | sort -V | tail -n 1)" = "$last" ]; then
  fail "$tag is not higher than $prefix$last: choose a higher version"
else
  IFS=. read -r last_major last_minor _ <<<"${last#v}"
  changes=$(bash .github/scripts/api-diff.sh "$prefix$last" "${dir:-.}")
  echo "$changes"
  if [ "$major" -eq "$last_major" ] && { [ "$major" -ge 1 ] || [ "$minor" -eq "$last_minor" ]; } &&
    grep -q '^Incompatible changes:' <<<"$changes"; then
    part=major
    if [ "$major" -eq 0 ]; then
      part='minor (below v1) or major'
    fi
    fail "the Go API has incompatible changes since $prefix$last: raise the $part part of the version"
  fi
fi

if [ "$failed" = 0 ]; then
  echo "release-check: $tag can be released"
fi
exit "$failed"

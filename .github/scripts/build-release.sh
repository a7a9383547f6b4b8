#!/usr/bin/env bash
# Usage: build-release.sh VERSION OUTDIR [TARGET...]
#
# Builds the files of the release VERSION, such as v1.2.3, and writes them and their checksums (SHA256SUMS) to OUTDIR.
# It builds the commit HEAD: what is not committed is left out. A TARGET is OS/ARCH for an archive with the command, or
# image/ARCH for a container image, which needs buildah. Without a TARGET, it builds all of a release.
#
# The same commit, built with the same version of Go, gives the same binaries in any directory.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo 'Usage: build-release.sh VERSION OUTDIR [TARGET...]' >&2
  exit 2
fi
version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
if [ $# = 0 ]; then
  set -- {linux,darwin,windows}/{amd64,arm64} image/{amd64,arm64}
fi
cd "$(dirname "$0")/../.."

refuse() {
  echo "build-release: $1" >&2
  exit 2
}
if ! [[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
  refuse "'$version' is not a version of the root module, such as v1.2.3: only that module has a command"
fi
if [ -n "$(ls -A "$out")" ]; then
  refuse "$out is not empty: a release must have no other files"
fi
certificates=
for target; do
  [[ $target =~ ^[a-z0-9]+/[a-z0-9]+$ ]] || refuse "'$target' is not OS/ARCH or image/ARCH"
  if [[ $target == image/* ]] && [ -z "$certificates" ]; then
    command -v buildah >/dev/null || refuse 'buildah is missing: install it, or name targets without image/ARCH'
    for certificates in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem ''; do
      [ ! -f "$certificates" ] || break
    done
    [ -n "$certificates" ] || refuse 'the certificates for an image are missing: install ca-certificates'
  fi
done

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT # buildah writes read-only directories

# Go writes the tag and the commit of a clean clone into the binary, and no other tag may compete with VERSION.
git clone --quiet --no-tags . "$work/source"
cd "$work/source"
git update-ref "refs/tags/$version" HEAD

# Settings of this machine must not change the result.
export CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS='-trimpath -buildvcs=true' GOWORK=off LC_ALL=C TZ=UTC

# build OS ARCH compiles the command to $binary.
build() {
  binary=$work/$1_$2/kalshiauth
  if [ "$1" = windows ]; then
    binary=$binary.exe
  fi
  GOOS=$1 GOARCH=$2 go build -ldflags=-w -o "$binary" ./kalshiauth/cmd/kalshiauth
  local stamped
  stamped=$(go version -m "$binary" | awk '$1 == "mod" { print $3 }')
  if [ "$stamped" != "$version" ]; then
    echo "build-release: the binary says that it is $stamped, not $version: is the module path right for it?" >&2
    exit 1
  fi
}

# archive OS ARCH writes an archive with the command. All its files have the time of the commit.
archive() {
  build "$1" "$2"
  local name=kalshiauth_${version}_$1_$2 format=tar.gz
  if [ "$1" = windows ]; then
    format=zip
  fi
  git -c tar.umask=0022 archive --prefix="$name/" --add-file="$binary" --output="$out/$name.$format" \
    HEAD LICENSE README.md
}

# image ARCH writes a container image that docker and podman can load. podman 4 loads none that is compressed.
image() {
  build linux "$1"
  local name=kalshiauth_${version}_image_$1 tag=localhost/kalshiauth:$version context=$work/image_$1
  local buildah=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")
  mkdir "$context"
  cp "$binary" LICENSE "$context"
  cp "$certificates" "$context/ca-certificates.crt"
  "${buildah[@]}" build --quiet --platform "linux/$1" --timestamp "$(git log -1 --format=%ct)" --identity-label=false \
    --build-arg VERSION="$version" --build-arg REVISION="$(git rev-parse HEAD)" \
    --file .github/Dockerfile --tag "$tag" "$context" >/dev/null
  "${buildah[@]}" push --quiet "$tag" "docker-archive:$out/$name.tar:$tag"
}

for target; do
  case $target in
  image/*) image "${target#image/}" ;;
  *) archive "${target%/*}" "${target#*/}" ;;
  esac
done

cd "$out"
if command -v sha256sum >/dev/null; then
  sha256sum -- * >"$work/SHA256SUMS"
else
  shasum -a 256 -- * >"$work/SHA256SUMS"
fi
cp "$work/SHA256SUMS" .
cat SHA256SUMS

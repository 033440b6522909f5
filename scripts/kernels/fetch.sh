#!/bin/sh
# Fetches a Debian release's kernel for virtual machines and unpacks it; nothing is installed.
# Usage: fetch.sh RELEASE FOLDER   leaves FOLDER/{vmlinuz,release,package} and FOLDER/modules/lib
set -eu

[ $# -eq 2 ] || { echo "usage: fetch.sh RELEASE FOLDER" >&2; exit 64; }
release=$1 folder=$2
[ ! -e "$folder/release" ] || exit 0

mkdir -p "$(dirname "$folder")"
rm -rf "$folder" "$folder".??????
draft=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$draft"' EXIT
trap 'exit 1' HUP INT TERM
# apt fetches as a user of its own.
chmod 755 "$draft"

# From where this machine gets its own packages, but with lists of another release.
mirror=$(apt-get indextargets --format '$(REPO_URI)' \
  'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
apt=$draft/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$draft/modules"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} $release main" \
  >"$apt/sources.list"
: >"$apt/status"
of_release() { # of_release COMMAND ARGUMENT...
  program=$1
  shift
  "$program" -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o "Dir::State::Lists=$apt/lists" -o "Dir::State::Status=$apt/status" -o "Dir::Cache=$apt/cache" \
    -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

echo "kernels: fetching the kernel of $release"
of_release apt-get update -qq
package=$(of_release apt-cache depends --important linux-image-cloud-amd64 \
  | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$package" ] || { echo "kernels: $release has no linux-image-cloud-amd64" >&2; exit 1; }
(cd "$draft" && of_release apt-get download -qq "$package")
version=$(dpkg-deb --field "$draft"/*.deb Version)
dpkg-deb --extract "$draft"/*.deb "$draft/unpacked"
mv "$draft"/unpacked/boot/vmlinuz-* "$draft/vmlinuz"

# Since trixie modules are compressed and below /usr.
kernel=${package#linux-image-}
mkdir "$draft/modules/lib"
for place in lib usr/lib; do
  [ ! -d "$draft/unpacked/$place/modules" ] || mv "$draft/unpacked/$place/modules" "$draft/modules/lib/"
done
find "$draft/modules" -name '*.ko.xz' -exec xz --decompress {} +
busybox depmod -b "$draft/modules" "$kernel"

rm -rf "$draft/unpacked" "$apt" "$draft"/*.deb
echo "$package $version" >"$draft/package"
echo "$kernel" >"$draft/release"
mv "$draft" "$folder"

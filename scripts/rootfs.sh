#!/bin/sh
# Makes a Debian tree with the programs that provision a virtual machine, for throw-away roots.
# Usage: rootfs.sh RELEASE FOLDER   (bookworm, trixie...; as root; safe to run again)
#
# What the programs do when they are installed is done in a network namespace without any link, and
# nothing may start a service in the tree, now or later. FOLDER appears whole or not at all.
set -eu

packages="cloud-init waagent curl iproute2 isc-dhcp-client nftables"

[ $# -eq 2 ] || { echo "usage: rootfs.sh RELEASE FOLDER" >&2; exit 64; }
release=$1 folder=$2
[ "$(id -u)" = 0 ] || { echo "rootfs: needs root" >&2; exit 1; }

mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9

# The tree is that of this very script, or it is made anew.
stamp=$(sha256sum <"$0" | cut -d' ' -f1)
[ "$(cat "$folder/.made-by" 2>/dev/null)" != "$stamp" ] || exit 0

# What a killed run has left.
rm -rf --one-file-system "$folder".??????
draft=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf --one-file-system "$draft"' EXIT
trap 'exit 1' HUP INT TERM

# From where this machine gets its own packages.
mirror=$(apt-get indextargets --format '$(REPO_URI)' \
  'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)

echo "rootfs: making $folder"
# In a mount namespace of its own: nothing stays mounted, whatever becomes of this.
if ! unshare --mount --propagation private mmdebstrap --quiet \
  --mode=root --format=directory --variant=apt \
  --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
  --customize-hook="chroot \"\$1\" apt-get install --yes --download-only $packages" \
  --customize-hook="unshare --net chroot \"\$1\" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-download $packages" \
  "$release" "$draft" "${mirror:-http://deb.debian.org/debian}" >"$folder.log" 2>&1
then
  echo "rootfs: failed; the end of $folder.log:" >&2
  tail -n 20 "$folder.log" >&2
  exit 1
fi

printf '#!/bin/sh\nexit 101\n' >"$draft/usr/sbin/policy-rc.d"
chmod 755 "$draft/usr/sbin/policy-rc.d" "$draft"
echo "$stamp" >"$draft/.made-by"
rm -rf --one-file-system "$folder"
mv "$draft" "$folder"

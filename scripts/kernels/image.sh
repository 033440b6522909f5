#!/bin/sh
# Makes the disks of a virtual machine. Usage: image.sh KERNEL TREE STAGE FOLDER   (as root)
#
# KERNEL is what fetch.sh made, TREE a Debian tree that is only read, STAGE what is laid over it.
# FOLDER gets machine.img, the root file system, and initrd.gz, which finds it.
set -eu

[ $# -eq 4 ] || { echo "usage: image.sh KERNEL TREE STAGE FOLDER" >&2; exit 64; }
kernel=$1 tree=$2 stage=$3 folder=$4
here=$(cd "$(dirname "$0")" && pwd)
release=$(cat "$kernel/release")
modules=lib/modules/$release

draft=$(mktemp -d "$folder/draft.XXXXXX")
trap 'rm -rf --one-file-system "$draft"' EXIT
trap 'exit 1' HUP INT TERM

# The initial ram disk: a shell, and the modules that the disk needs.
ram=$draft/ram
mkdir -p "$ram/bin" "$ram/dev" "$ram/proc" "$ram/sys" "$ram/machine" "$ram/$modules"
cp "$(command -v busybox)" "$ram/bin/"
install -m 755 "$here/init" "$ram/init"
for name in virtio_pci virtio_blk ext4; do
  line=$(grep "/$name\.ko:" "$kernel/modules/$modules/modules.dep" || true)
  # Without a line it is built into the kernel.
  for file in $(echo "$line" | tr -d ':'); do
    (cd "$kernel/modules/$modules" && cp --parents "$file" "$ram/$modules/")
  done
done
busybox depmod -b "$ram" "$release"
(cd "$ram" && find . | cpio --create --format=newc --quiet | gzip -1) >"$folder/initrd.gz"

# The root file system: the tree is shown with everything laid over it, and written to the image.
mkdir -p "$draft/over/usr/$modules" "$draft/over/machine" "$draft/work" "$draft/shown"
cp -a "$kernel/modules/$modules/." "$draft/over/usr/$modules/"
mkdir -p "$draft/over/usr/sbin" "$draft/over/usr/bin"
cp "$(command -v busybox)" "$draft/over/usr/sbin/busybox"
# What the tree has not is busybox's; the kernel itself asks for modprobe.
for name in sbin/modprobe bin/mount bin/umount bin/hostname; do
  [ -e "$tree/usr/$name" ] || ln -s /usr/sbin/busybox "$draft/over/usr/$name"
done
rm -f "$folder/machine.img"
truncate --size=3G "$folder/machine.img"
unshare --mount --propagation private sh -e -c '
  mount -t overlay overlay -o "lowerdir=$2:$1,upperdir=$3/over,workdir=$3/work" "$3/shown"
  mkfs.ext4 -q -O ^has_journal -E root_owner=0:0 -d "$3/shown" "$4"
' sh "$tree" "$stage" "$draft" "$folder/machine.img"

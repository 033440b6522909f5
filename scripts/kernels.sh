#!/bin/sh
# Runs the smoke tests on other kernels, each in a virtual machine without a network device.
# Usage: kernels.sh FOLDER TREE [RELEASE]...   (as root; TREE is what rootfs.sh made of bookworm)
#
# FOLDER keeps the kernels, and gets results.json and for each release its console and its results.
# Where no machine can be emulated this says why and is content.
set -eu

[ $# -ge 2 ] || { echo "usage: kernels.sh FOLDER TREE [RELEASE]..." >&2; exit 64; }
folder=$1 tree=$2
shift 2
[ $# -gt 0 ] || set -- bookworm trixie
[ "$(id -u)" = 0 ] || { echo "kernels: needs root" >&2; exit 1; }
source=$(cd "$(dirname "$0")/.." && pwd)
parts=$source/scripts/kernels

[ "$(uname -m)" = x86_64 ] || { echo "kernels: skipped: this machine is no x86_64"; exit 0; }
command -v qemu-system-x86_64 >/dev/null || { echo "kernels: skipped: there is no qemu-system-x86_64"; exit 0; }

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
exec 9>"$folder/lock"
flock 9

for release in "$@"; do
  "$parts/fetch.sh" "$release" "$folder/fetched/$release"
done
accelerator=$("$parts/accelerator.sh" "$folder/fetched/$1")
case "$accelerator" in
  kvm) limit=600 ;;
  tcg) limit=3600 ;;
  *) echo "kernels: skipped: qemu runs here neither with kvm nor without"; exit 0 ;;
esac

stage=$(mktemp -d "$folder/stage.XXXXXX")
trap 'rm -rf "$stage" "$folder"/*/machine.img "$folder"/*/initrd.gz' EXIT
trap 'exit 1' HUP INT TERM
"$parts/stage.sh" "$stage" "$limit"

for release in "$@"; do
  machine=$folder/$release
  rm -rf "$machine"
  mkdir "$machine"
  "$parts/image.sh" "$folder/fetched/$release" "$tree" "$stage" "$machine"
  echo "kernels: running $(cat "$folder/fetched/$release/release") by $accelerator, for at most $limit s"
  begun=$(date +%s)
  "$parts/boot.sh" "$folder/fetched/$release" "$machine" "$accelerator" $((limit + 120))
  cp "$folder/fetched/$release/package" "$machine/results/package"
  echo "$accelerator $(($(date +%s) - begun))" >"$machine/results/took"
  rm -f "$machine/machine.img"
done

"$parts/report.py" "$folder" "$source/docs/security/kernels.md" "$@"

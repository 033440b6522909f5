#!/bin/sh
# Boots a virtual machine and waits for its end. Usage: boot.sh KERNEL FOLDER ACCELERATOR SECONDS
#
# FOLDER holds what image.sh made; it gets console.log and results/. The machine has no network
# device, and what it writes to its root file system is forgotten.
set -eu

[ $# -eq 4 ] || { echo "usage: boot.sh KERNEL FOLDER ACCELERATOR SECONDS" >&2; exit 64; }
kernel=$1 folder=$2 accelerator=$3 seconds=$4

case "$accelerator" in
  tcg) accelerator=tcg,thread=multi ;;
esac
rm -rf "$folder/results" "$folder/results.img"
mkdir "$folder/results"
truncate --size=16M "$folder/results.img"
timeout --kill-after=10 "$seconds" qemu-system-x86_64 \
  -M q35 -accel "$accelerator" -cpu max -smp 2 -m 3072 -nic none -no-reboot \
  -display none -monitor none -serial "file:$folder/console.log" \
  -kernel "$kernel/vmlinuz" -initrd "$folder/initrd.gz" \
  -append "console=ttyS0 panic=-1 quiet latchkey.disposable" \
  -drive "file=$folder/machine.img,format=raw,if=virtio,snapshot=on" \
  -drive "file=$folder/results.img,format=raw,if=virtio,cache=unsafe" \
  </dev/null || echo "kernels: the machine did not end by itself within $seconds s" >&2
tar --extract --file="$folder/results.img" --directory="$folder/results" 2>/dev/null || true
rm -f "$folder/results.img"

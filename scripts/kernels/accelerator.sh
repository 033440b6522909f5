#!/bin/sh
# Prints how machines can be emulated here: kvm, or tcg where only software can, or nothing.
# Usage: accelerator.sh KERNEL   tries it with that kernel, which fetch.sh made
set -eu

[ $# -eq 1 ] || { echo "usage: accelerator.sh KERNEL" >&2; exit 64; }
kernel=$1
draft=$(mktemp -d)
trap 'rm -rf "$draft"' EXIT
trap 'exit 1' HUP INT TERM

# A machine that does nothing but end.
mkdir "$draft/bin"
cp "$(command -v busybox)" "$draft/bin/"
printf '#!/bin/busybox sh\n/bin/busybox poweroff -f\n' >"$draft/init"
chmod 755 "$draft/init"
(cd "$draft" && find init bin | cpio --create --format=newc --quiet | gzip -1) >"$draft/initrd.gz"

works() { # works ACCELERATOR SECONDS
  timeout --kill-after=5 "$2" qemu-system-x86_64 -M q35 -accel "$1" -cpu max -m 512 -nic none \
    -no-reboot -display none -monitor none -serial none \
    -kernel "$kernel/vmlinuz" -initrd "$draft/initrd.gz" -append "panic=-1 quiet" \
    </dev/null >"$draft/said" 2>&1
}

# /dev/kvm may be there and yet unable to run such a kernel, so it is tried.
if [ ! -e /dev/kvm ]; then
  echo "kernels: no kvm: there is no /dev/kvm" >&2
elif works kvm 20; then
  echo kvm
  exit 0
else
  echo "kernels: no kvm: no machine comes up with it within 20 s$(sed -n '1s/^/: /p' "$draft/said")" >&2
fi
if works tcg 120; then echo tcg; fi

#!/bin/sh
# Installs what building and testing need and is missing. As root on Debian; safe to run again.
# Usage: deps.sh [test|bench|kernels]...   without arguments: what building and the demo need.
set -eu

missing=""
need() { # need COMMAND-OR-FILE PACKAGE
  case "$1" in
    /*) [ -e "$1" ] || missing="$missing $2" ;;
    *) command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
  esac
}

need clang clang
need /usr/include/bpf/bpf_helpers.h libbpf-dev
need cc gcc
need make make
need ip iproute2
need nsenter util-linux
need curl curl
need /usr/bin/python3 python3
for tier in "$@"; do
  case "$tier" in
    test) need dnsmasq dnsmasq-base; need /usr/sbin/dhclient isc-dhcp-client; need nft nftables; need faketime faketime; need openssl openssl; need mmdebstrap mmdebstrap; /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv" ;;
    bench) need nginx nginx-light; need wrk wrk ;;
    kernels) [ "$(uname -m)" != x86_64 ] || { need qemu-system-x86_64 qemu-system-x86; need busybox busybox-static; need cpio cpio; need mkfs.ext4 e2fsprogs; need xz xz-utils; } ;;
    *) echo "deps: unknown tier $tier: use test, bench or kernels" >&2; exit 64 ;;
  esac
done

if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || { echo "deps: install as root:$missing" >&2; exit 1; }
  echo "deps: installing$missing"
  # Services of these packages are not wanted: nothing may start or listen on this machine.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

command -v cargo >/dev/null 2>&1 || {
  echo "deps: cargo is missing: install Rust 1.95 or newer (https://rustup.rs)" >&2
  exit 1
}
for tier in "$@"; do
  if [ "$tier" = test ] && ! command -v cargo-nextest >/dev/null 2>&1; then
    echo "deps: installing cargo-nextest"
    cargo install --quiet --locked cargo-nextest
  fi
done

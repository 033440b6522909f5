#!/bin/sh
# The first process of the virtual machine: sets it up as a system without systemd has it, runs the
# tests, and leaves what came of them on the second disk.
PATH=/usr/sbin:/usr/bin:/latchkey/bin
export PATH HOME=/root LANG=C.UTF-8

set_up() {
  mount -t tmpfs tmpfs /run
  mkdir -p /dev/shm /dev/pts /run/lock
  mount -t tmpfs tmpfs /dev/shm
  mount -t devpts devpts /dev/pts
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t bpf bpf /sys/fs/bpf
  mount -t tracefs tracefs /sys/kernel/tracing
  mount -t securityfs securityfs /sys/kernel/security
  ln -sf /proc/self/fd /dev/fd
  hostname machine
  # Two that need a module at once would not wait for each other, and tun is there only when loaded.
  modprobe -a veth tun sch_ingress cls_bpf
  ip link set lo up
}

# What may differ between kernels and matters here.
describe() {
  echo "kernel $(uname -r)"
  echo "lsm $(cat /sys/kernel/security/lsm)"
  echo "jit $(cat /proc/sys/net/core/bpf_jit_enable)"
  has tcx grep -qw tcx_link_attach /proc/kallsyms
  has clsact modprobe -q sch_ingress
  has cls_bpf modprobe -q cls_bpf
  has sock_send_length test -d /sys/kernel/tracing/events/sock/sock_send_length
  has sched_process_exec test -d /sys/kernel/tracing/events/sched/sched_process_exec
  has io_uring grep -qw __x64_sys_io_uring_setup /proc/kallsyms
  has mptcp test -e /proc/sys/net/mptcp/enabled
  has sctp modprobe -q sctp
  has ipvlan modprobe -q ipvlan
  has vlan modprobe -q 8021q
  has dummy modprobe -q dummy
}

has() { # has NAME TEST...
  name=$1
  shift
  if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi
}

run_tests() {
  . /latchkey/environment
  cd "$LATCHKEY_SOURCE" || return 1
  ulimit -n 65536 # the tests of floods open thousands
  timeout -k 10 "$LATCHKEY_LIMIT" cargo-nextest nextest run --color never --hide-progress-bar --no-fail-fast \
    --cargo-metadata /latchkey/cargo.json --binaries-metadata /latchkey/tests.json \
    --profile kernels --run-ignored all
}

set_up
export LATCHKEY_RESULTS=/run/results
mkdir -p "$LATCHKEY_RESULTS"
describe >"$LATCHKEY_RESULTS/kernel"
run_tests >/dev/console 2>&1
echo $? >"$LATCHKEY_RESULTS/exit"
cp "$LATCHKEY_BIN_DIR/../nextest/kernels/junit.xml" "$LATCHKEY_RESULTS/" 2>/dev/null
dmesg >"$LATCHKEY_RESULTS/dmesg"
tar --create --file=/dev/vdb --directory="$LATCHKEY_RESULTS" .
sync
busybox poweroff -f

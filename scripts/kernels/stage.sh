#!/bin/sh
# Gathers what the tests need in the virtual machine. Usage: stage.sh STAGE SECONDS
#
# Everything keeps its path, so that tests and programs find in the machine what they find here.
# SECONDS is how long the tests may take. Needs built programs; builds the tests.
set -eu

[ $# -eq 2 ] || { echo "usage: stage.sh STAGE SECONDS" >&2; exit 64; }
stage=$1 limit=$2
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
cd "$source"

mkdir -p "$stage/latchkey/bin" "$stage$source" "$stage$LATCHKEY_BIN_DIR" "$stage/etc"
install -m 755 "$here/machine.sh" "$stage/latchkey/"
cp "$(command -v cargo-nextest)" "$stage/latchkey/bin/"
git ls-files -z -- Cargo.toml Cargo.lock .config crates | xargs -0 cp --parents -t "$stage$source"
for program in "$LATCHKEY_BIN_DIR"/latchkey "$LATCHKEY_BIN_DIR"/latchkey-*; do
  case "$program" in *.d) ;; *) cp "$program" "$stage$LATCHKEY_BIN_DIR/" ;; esac
done
"${CARGO:-cargo}" metadata --format-version 1 --locked >"$stage/latchkey/cargo.json"
"${CARGO:-cargo}" nextest list --workspace --list-type binaries-only --message-format json \
  | "$here/binaries.py" "$stage" >"$stage/latchkey/tests.json"
# What the tests of the coverage probe start.
"${CARGO:-cargo}" build --workspace --example coverage_child
mkdir -p "$stage$LATCHKEY_BIN_DIR/examples"
cp "$LATCHKEY_BIN_DIR/examples/coverage_child" "$stage$LATCHKEY_BIN_DIR/examples/"
# The caller of the tests of ways round, where there is one.
caller=${LATCHKEY_BYPASS_CALLER:-}
if [ -n "$caller" ]; then
  mkdir -p "$stage$(dirname "$caller")"
  cp -a "$(dirname "$caller")/." "$stage$(dirname "$caller")/"
fi
# Without these two a Debian tree is no machine.
printf '127.0.0.1 localhost machine\n::1 localhost\n' >"$stage/etc/hosts"
: >"$stage/etc/resolv.conf"
cat >"$stage/latchkey/environment" <<END
export LATCHKEY_SOURCE='$source'
export LATCHKEY_BIN_DIR='$LATCHKEY_BIN_DIR'
export LATCHKEY_BYPASS_CALLER='$caller'
export LATCHKEY_BYPASS_RESULTS=/run/results/bypass
export LATCHKEY_LIMIT='$limit'
END

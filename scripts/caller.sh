#!/bin/sh
# Builds the caller of the bypass tests, and the library that intrudes into other programs.
# Usage: caller.sh DIRECTORY
set -eu

target="$1"
source="$(dirname "$0")/../crates/lab/tests/bypass/caller"
mkdir -p "$target"
compile() { cc -std=gnu11 -O1 -Wall -Wextra -Werror -pthread "$@"; }

newer="$(find "$source" "$0" -newer "$target/libintruder.so" 2>/dev/null || echo all)"
[ -n "$newer" ] || exit 0
compile -o "$target/caller" "$source"/*.c
compile -shared -fPIC -o "$target/libintruder.so" "$source/intruder/intruder.c" \
  "$source/stream.c" "$source/http.c" "$source/report.c"

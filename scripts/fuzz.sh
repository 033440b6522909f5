#!/bin/sh
# Runs fuzz targets for some seconds each: fuzz.sh TOOLS SECONDS [TARGET...]; all without a name.
# Installs cargo-fuzz into TOOLS.
set -eu

tools=$1
seconds=$2
shift 2
[ $# -gt 0 ] || set -- canonical_request log_record profile_document
cargo=${CARGO:-cargo}

# libFuzzer's flags are unstable ones of rustc; the installed compiler is told to take them.
export RUSTC_BOOTSTRAP=1

if [ ! -x "$tools/bin/cargo-fuzz" ]; then
    "$cargo" install cargo-fuzz --version 0.13.2 --locked --root "$tools"
fi

cd "$(dirname "$0")/../fuzz"
# The corpora in the repository are seeds; what a run finds besides goes to a folder of its own.
for target; do
    mkdir -p "$tools/corpus/$target"
    "$tools/bin/cargo-fuzz" run --sanitizer none "$target" "$tools/corpus/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=10 -dict="dictionaries/$target.dict"
done

#!/usr/bin/env bash
# Runs every fuzz target, one after the other, for this many seconds each: run.sh SECONDS [TARGET...]
#
# New inputs go to found/TARGET and are read again by the next run; corpus/TARGET is only read. An input that fails goes to
# artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls fuzz/fuzz_targets | sed 's/\.rs$//')

# Instrumentation is for nightly compilers only. A stable one has it too, if it is told to.
toolchain=()
if cargo +nightly --version >/dev/null 2>&1; then toolchain=(+nightly); else export RUSTC_BOOTSTRAP=1; fi
fuzz() { cargo "${toolchain[@]}" fuzz "$@"; }
# Before anything is built: a lock file that does not fit any more would be written anew.
cargo "${toolchain[@]}" metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
fuzz build

failed=()
for target in "${targets[@]}"; do
    found=fuzz/found/$target
    mkdir -p "$found"
    if fuzz run "$target" "$found" "fuzz/corpus/$target" -- -max_total_time="$seconds" -timeout=25 \
        -dict=fuzz/words.dict -print_final_stats=1 -print_funcs=0 >"$found.log" 2>&1; then
        outcome="no finding"
    else
        outcome="FAILED: see $found.log"
        failed+=("$target")
    fi
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log")
    printf '%-14s %12s inputs  %s\n' "$target" "${inputs:-?}" "$outcome"
done

[ ${#failed[@]} -eq 0 ] && exit
for target in "${failed[@]}"; do
    echo "$target fails on:"
    ls fuzz/artifacts/"$target"/* 2>/dev/null || echo "no input: it does not start, see fuzz/found/$target.log"
done
exit 1

#!/usr/bin/env bash
# Feeds each fuzz target with what libFuzzer makes of its seeds, for SECONDS_EACH seconds. What was found to be of
# interest is kept under target/ for the next time.
#
# Without sanitizers a stable compiler will do, and they would find nothing: the crate has no unsafe code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SECONDS_EACH=${SECONDS_EACH:-10}
# Whatever takes longer than 5 seconds or more than 1 GB counts as a fault, too.
LIMITS=(-timeout=5 -rss_limit_mb=1024 -max_len=16384)

fuzz=$PWD/crates/provider/fuzz
for path in "$fuzz"/fuzz_targets/*.rs; do
    target=$(basename "$path" .rs)
    corpus=$PWD/target/fuzz/corpus/$target
    mkdir -p "$corpus"
    printf '== fuzz %s\n' "$target"
    .venv/bin/cargo-fuzz fuzz run --fuzz-dir "$fuzz" --sanitizer none --target-dir "$PWD/target/fuzz/build" \
        "$target" "$corpus" "$fuzz/seeds/$target" \
        -- -max_total_time="$SECONDS_EACH" -print_final_stats=1 -verbosity=0 "${LIMITS[@]}"
done

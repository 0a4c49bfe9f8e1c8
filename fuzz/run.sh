#!/usr/bin/env bash
# fuzz/run.sh [SECONDS [TARGET...]]: builds every fuzz target with coverage, then runs each for so many seconds
# (default 60). Works with the project's own stable toolchain: neither cargo-fuzz nor nightly is needed.
#
# New inputs are kept in fuzz/corpus/TARGET, starting from fuzz/seeds/TARGET. An input that breaks a law ends the run;
# it is in fuzz/artifacts/TARGET, and `fuzz/target/HOST/fuzz/TARGET FILE` plays it again.

set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-${SECONDS_EACH:-60}}
shift || true

# What a target may take before it counts as broken.
memory_mb=512
one_input_seconds=5
input_bytes_max=8192

host=$(rustc -vV | sed -n 's/^host: //p')

# The instrumentation libFuzzer reads: a counter per branch, a table of their places, and traced comparisons, by which
# it guesses constants. It must not reach build scripts and macros, which have no libFuzzer in them: hence --target.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --locked --profile fuzz --target "$host" --target-dir target

if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' Cargo.toml); fi

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  options=(-max_total_time="$seconds" -rss_limit_mb="$memory_mb" -malloc_limit_mb="$memory_mb"
    -timeout="$one_input_seconds" -max_len="$input_bytes_max" -artifact_prefix="artifacts/$target/" -print_final_stats=1)
  if [ -f "dictionaries/$target.txt" ]; then options+=(-dict="dictionaries/$target.txt"); fi
  echo "== $target: $seconds s"
  if ! "target/$host/fuzz/$target" "${options[@]}" "corpus/$target" "seeds/$target" >"artifacts/$target/log.txt" 2>&1; then
    tail -n 40 "artifacts/$target/log.txt"
    echo "fuzz/run.sh: $target failed; the input is in fuzz/artifacts/$target" >&2
    exit 1
  fi
  grep -E '^(#[0-9]+.*DONE|stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb))' "artifacts/$target/log.txt"
done

#!/usr/bin/env bash
# Runs a benchmark, writes the step summary, and fails when something is slower than the baseline.
# Inputs come in BENCH_*; GITHUB_OUTPUT and GITHUB_STEP_SUMMARY are files that GitHub reads.
set -euo pipefail

BENCH_OUTPUT="${BENCH_OUTPUT:-thermocline-benchmark.json}"
BENCH_COMMAND="${BENCH_COMMAND:-npx --yes thermocline@${BENCH_VERSION:-latest}}"

# Commands and options are split at spaces; models, one per line, may have spaces in their names.
read -r -a command <<<"$BENCH_COMMAND"
read -r -a args <<<"${BENCH_ARGS:-}"
models=()
while IFS= read -r line; do
  if [[ -n "${line//[[:space:]]/}" ]]; then models+=("$line"); fi
done <<<"${BENCH_MODEL:-}"

summary() { cat >>"${GITHUB_STEP_SUMMARY:-/dev/stdout}"; }
output() { echo "$1" >>"${GITHUB_OUTPUT:-/dev/null}"; }

status=0
"${command[@]}" bench ${models[@]+"${models[@]}"} ${args[@]+"${args[@]}"} -o "$BENCH_OUTPUT" || status=$?
if [[ -f "$BENCH_OUTPUT" ]]; then output "result=$BENCH_OUTPUT"; fi
if [[ "$status" -ne 0 ]]; then
  echo "The benchmark failed with exit code $status; its log says why." | summary
  exit "$status"
fi

if [[ -z "${BENCH_BASELINE:-}" || ! -f "${BENCH_BASELINE:-}" ]]; then
  {
    echo '### Benchmark without a baseline'
    echo
    echo '```'
    "${command[@]}" inspect "$BENCH_OUTPUT"
    echo '```'
  } | summary
  output 'verdict=none'
  exit 0
fi

"${command[@]}" bench compare "$BENCH_BASELINE" "$BENCH_OUTPUT" \
  --threshold "${BENCH_THRESHOLD:-5%}" --markdown >"$BENCH_OUTPUT.md" || status=$?
summary <"$BENCH_OUTPUT.md"
rm -f "$BENCH_OUTPUT.md"
case "$status" in
  0) output 'verdict=same' ;;
  1) output 'verdict=slower' ;;
  *) output 'verdict=none' ;;
esac
exit "$status"

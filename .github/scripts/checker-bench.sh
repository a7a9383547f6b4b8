#!/usr/bin/env bash
# Compares what a Checker costs with an earlier commit: checker-bench.sh BASE. Both are measured in turn.
set -eu
cd "$(dirname "$0")/../.."
base=${1:-75ff03c}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$base"
go test -c -o "$work/now" ./kalshiauth/contract
(cd "$work/base" && go test -c -o "$work/then" ./kalshiauth/contract)
for _ in $(seq 21); do
  for which in then now; do
    "$work/$which" -test.run '^$' -test.bench 'Transport/memory' -test.benchtime 4000x |
      awk -v which=$which '/^Benchmark/ { sub(/.*memory\//, ""); sub(/-[0-9]+/, "", $1); print which, $1, $3, $(NF - 1) }'
  done
done >"$work/all"
sort -k1,1 -k2,2 -k3,3n "$work/all" | awk '
  { key = $1 " " $2; n[key]++; ns[key, n[key]] = $3; allocs[key] = $4 }
  function median(key) { return ns[key, int((n[key] + 1) / 2)] }
  END {
    printf "a checked request: %d ns more than a bare one, before %d ns: ratio %.2f\n", median("now checked") - median("now bare"),
      median("then checked") - median("then bare"),
      (median("now checked") - median("now bare")) / (median("then checked") - median("then bare"))
    printf "allocations: %d, before %d\n", allocs["now checked"], allocs["then checked"]
    printf "a request that the document does not have: %d ns more than a bare one of %d ns\n",
      median("now undocumented") - median("now bare"), median("now bare")
  }'

#!/usr/bin/env bash
# Compares what a contract.Checker costs now with what it cost at an earlier revision. It builds the benchmark of this
# revision with both versions of the package, and runs them alternately, so that both meet the same disturbances.
#
#   checker-bench.sh [REVISION [ROUNDS [BENCHTIME]]]
#
# It prints the mean ratio of each benchmark with an interval of 95%. It fails if a checked exchange clearly costs more
# than at the earlier revision.
set -euo pipefail
cd "$(dirname "$0")/../.."

base=${1:-75ff03c} rounds=${2:-20} benchtime=${3:-100ms}
dir=$(mktemp -d)
trap 'git worktree remove --force "$dir/base" 2>/dev/null || true; rm -rf "$dir"' EXIT

git worktree add --quiet --detach "$dir/base" "$base"
cp kalshiauth/contract/bench_test.go "$dir/base/kalshiauth/contract/"
go test -c -o "$dir/now.test" ./kalshiauth/contract
(cd "$dir/base" && go test -c -o "$dir/base.test" ./kalshiauth/contract)

for ((round = 0; round < rounds; round++)); do
  for version in base now; do
    (cd kalshiauth/contract && "$dir/$version.test" -test.run '^$' -test.bench '^BenchmarkTransport$' \
      -test.benchtime "$benchtime" -test.cpu 1) |
      awk -v r="$round" -v v="$version" '/^BenchmarkTransport/ {
        sub("BenchmarkTransport/", "", $1); print r, v, $1, $3, $7 }' >>"$dir/times"
  done
done

awk -v base="$base" '
  { ns[$1, $2, $3] = $4; allocs[$2, $3] = $5; names[$3]; if ($1 + 1 > n) n = $1 + 1 }
  # ratio writes the geometric mean of the ratios of all rounds, and returns the lower end of its interval.
  function ratio(label, v, a, w, b,    r, x, sum, squares, mean, error) {
    for (r = 0; r < n; r++) { x = log(ns[r, v, a] / ns[r, w, b]); sum += x; squares += x * x }
    mean = sum / n
    error = n > 1 ? 2 * sqrt((squares / n - mean * mean) / (n - 1)) : 9
    if (error != error) error = 0
    printf "%-44s %.3f  [%.3f, %.3f]\n", label, exp(mean), exp(mean - error), exp(mean + error)
    return exp(mean - error)
  }
  function time(v, a,    r, sum) { for (r = 0; r < n; r++) sum += ns[r, v, a]; return sum / n }
  END {
    printf "%d rounds; now compared with %s\n\n", n, base
    low = ratio("memory/checked, now : " base, "now", "memory/checked", "base", "memory/checked")
    ratio("loopback/checked, now : " base, "now", "loopback/checked", "base", "loopback/checked")
    ratio("loopback/checked : bare, now", "now", "loopback/checked", "now", "loopback/bare")
    ratio("loopback/elsewhere : bare, now", "now", "loopback/elsewhere", "now", "loopback/bare")
    ratio("memory/elsewhere : bare, now", "now", "memory/elsewhere", "now", "memory/bare")
    ratio("memory/undocumented : bare, now", "now", "memory/undocumented", "now", "memory/bare")
    printf "\n%-24s %14s %14s\n", "", base, "now"
    for (name in names) if (name ~ /^memory/)
      printf "%-24s %8.2f µs %3d %8.2f µs %3d\n", name, time("base", name) / 1000, allocs["base", name],
        time("now", name) / 1000, allocs["now", name]
    print "(the time of an exchange, and its allocations)"
    if (low > 1 || allocs["now", "memory/checked"] > allocs["base", "memory/checked"]) {
      print "\nchecker-bench: a checked exchange costs more than at " base; exit 1
    }
  }' "$dir/times"

#!/usr/bin/env bash
# Runs the benchmarks: npm run bench [-- NAME... [--tenants N]]; without a name, all. They take a throw-away PostgreSQL where they
# need one, and wrk and curl as clients: without them, root has Debian's packages installed. Figures are printed and left in
# bench/results/. BENCH_RUNS, BENCH_SECONDS, BENCH_TENANTS (as --tenants) and BENCH_MIB make a run shorter or longer.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(data-path compact streams cold cold-crowd batch-crowd many-tenants active-tenants processes start-up neighbours registry branch-rows claims audit receipts receipts-cost)

main() {
  local names=() name
  if [ "${1:-}" = openbao ]; then
    if [ ! -x "${2:-}" ]; then
      echo 'bench: openbao needs the program bao: from OpenBao'"'"'s releases, or built from its sources with CGO_ENABLED=0 go build -o bao .' >&2
      exit 2
    fi
    exec node bench/openbao.ts "${@:2}"
  fi
  if [ "${1:-}" = compare ] || [ "${1:-}" = refusals ] || { [ "${1:-}" = compact ] && [ -d "${2:-}" ]; }; then
    exec node "bench/$1.ts" "${@:2}"
  fi
  while [ $# != 0 ]; do
    case $1 in
      --tenants) export BENCH_TENANTS=${2:?--tenants needs a number}; shift ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  [ ${#names[@]} != 0 ] || names=("${all[@]}")
  for name in "${names[@]}"; do
    if [[ " ${all[*]} " != *" $name "* ]]; then
      echo "bench: there is no $name; there are: ${all[*]}" >&2
      exit 2
    fi
  done
  need wrk
  need curl
  ulimit -n "$(ulimit -Hn)" # 10,000 vaults listen
  for name in "${names[@]}"; do
    scripts/postgres.sh node "bench/$name.ts"
    echo
  done
}

need() {
  if command -v "$1" >/dev/null; then return; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "bench: install $1 (Debian: apt-get install $1)" >&2
    exit 1
  fi
  apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$1" >&2
}

main "$@"

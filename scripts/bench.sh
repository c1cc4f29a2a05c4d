#!/usr/bin/env bash
# Runs the benchmarks: npm run bench [-- NAME...]; without a name, all. They take a throw-away PostgreSQL where they need one.
set -euo pipefail
cd "$(dirname "$0")/.."
names=("$@")
[ ${#names[@]} != 0 ] || names=(registry claims audit data-path neighbours)
for name in "${names[@]}"; do
  scripts/postgres.sh node "bench/$name.ts"
  echo
done

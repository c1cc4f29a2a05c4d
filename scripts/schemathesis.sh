#!/usr/bin/env bash
# Tries openapi.yaml out on a real service, on the emulated Azure, with every check that Schemathesis has: requests that the contract
# allows and requests that it does not. Exceptions, each with its reason, are in schemathesis.toml.
# Usage: scripts/schemathesis.sh [--seed N] [--max-examples N], both handed on. A failure prints its seed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=schemathesis
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh
trap clean_up EXIT

main() {
  local python
  python=$(scripts/python-venv.sh schemathesis scripts/schemathesis/requirements.txt)
  start_service
  take_token
  node scripts/schemathesis/prepare.ts "$url" "$control" >"$work/openapi.yaml"
  export HOOKS_FILE=$root/scripts/schemathesis/hooks.py
  export PYTHONDONTWRITEBYTECODE=1
  # In a folder of its own: it keeps notes where it runs. One worker, since requests under way at once can't be run again by seed.
  cd "$work"
  "${python%python}schemathesis" --config-file "$root/schemathesis.toml" run "$work/openapi.yaml" --url "$url" \
    --checks all --phases examples,coverage,fuzzing,stateful --workers 1 --max-examples 25 --seed 1 \
    --generation-database none --no-color "$@" >"$work/report" 2>&1 ||
    { cat "$work/report" >&2 && fail 'the contract and the service do not agree'; }
  echo "schemathesis: $(sed -n '/^Test cases:/{n;s/^ *//;p}' "$work/report"), $(grep '^Seed:' "$work/report")"
}

main "$@"

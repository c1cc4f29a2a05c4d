#!/usr/bin/env bash
# Validates deploy/kubernetes by the JSON schemas of Kubernetes; unknown members are errors, as for the API server.
set -euo pipefail
cd "$(dirname "$0")/.."
manifest=deploy/kubernetes/vaultspan.yaml

main() {
  local python
  python=$(scripts/python-venv.sh kubernetes scripts/kubernetes/requirements.txt)
  validate=${python%python}kubernetes-validate
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$validate" --strict --quiet "$manifest"
  # A check that accepts everything would pass too: these two faults must be found.
  must_fail 's/readOnlyRootFilesystem/readOnlyRootFileSystem/' 'a member with another spelling'
  must_fail 's/^  replicas: .*/  replicas: two/' 'a word instead of a number'
  echo "kubernetes: $(grep -c '^kind:' "$manifest") objects valid"
}

must_fail() {
  sed "$1" "$manifest" >"$work/wrong.yaml"
  ! cmp -s "$manifest" "$work/wrong.yaml" || fail "$manifest has no place for $2"
  ! "$validate" --strict --quiet "$work/wrong.yaml" >"$work/report" 2>&1 || fail "the schema accepts $2"
}

fail() {
  echo "kubernetes: $1" >&2
  exit 1
}

main

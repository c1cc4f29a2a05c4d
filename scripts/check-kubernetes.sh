#!/usr/bin/env bash
# Lints and renders deploy/helm by Helm's own packages, validates the objects by the JSON schemas of Kubernetes (unknown members are errors,
# as for the API server), and checks what they mean together. Wrong values must be refused by the chart's schema.
set -euo pipefail
cd "$(dirname "$0")/.."
chart=deploy/helm

main() {
  command -v go >/dev/null || fail 'install Go 1.26 or newer'
  helm=$PWD/node_modules/.cache/helm/helm
  (cd scripts/helm && ../retry.sh go build -o "$helm" .)
  local python
  python=$(scripts/python-venv.sh kubernetes scripts/kubernetes/requirements.txt)
  validate=${python%python}kubernetes-validate
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  local values
  for values in "$chart"/examples/*.yaml; do check_example "$values"; done
  # A check that accepts everything would pass too: these two faults must be found.
  rendered=$work/aks.yaml
  must_fail 's/readOnlyRootFilesystem/readOnlyRootFileSystem/' 'a member with another spelling'
  must_fail 's/^  replicas: .*/  replicas: two/' 'a word instead of a number'
  refuse_values
  echo "kubernetes: $(cat "$work"/*.yaml | grep -c '^kind:') objects of $(ls "$chart"/examples | wc -l) examples valid, $refused wrong values refused"
}

check_example() {
  rendered=$work/${1##*/}
  "$helm" lint "$chart" "$1" >"$work/report" || { cat "$work/report" >&2 && fail "$1 does not pass helm lint"; }
  "$helm" template "$chart" "$1" >"$rendered"
  "$helm" notes "$chart" "$1" >"$work/notes"
  # Objects of other APIs, such as ServiceMonitor, have no schema in Kubernetes.
  node scripts/helm/check-rendered.ts "$rendered" "$work/notes" >"$work/known"
  "$validate" --strict --quiet "$work/known" || fail "$1 does not give valid objects"
}

must_fail() {
  sed "$1" "$rendered" >"$work/wrong"
  ! cmp -s "$rendered" "$work/wrong" || fail "$rendered has no place for $2"
  ! "$validate" --strict --quiet "$work/wrong" >"$work/report" 2>&1 || fail "the schema accepts $2"
}

# Each file is an example with one wrong value; its first line says what the refusal must contain.
refuse_values() {
  refused=0
  node scripts/helm/wrong-values.ts "$chart/examples/aks.yaml" "$work"
  local wrong expected
  for wrong in "$work"/*.wrong; do
    expected=$(sed -n '1s/^# //p' "$wrong")
    ! "$helm" template "$chart" "$wrong" >"$work/report" 2>&1 || fail "the chart accepts: $expected"
    grep -qF "$expected" "$work/report" || { cat "$work/report" >&2 && fail "another refusal than: $expected"; }
    refused=$((refused + 1))
  done
}

fail() {
  echo "kubernetes: $1" >&2
  exit 1
}

main

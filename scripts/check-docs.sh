#!/usr/bin/env bash
# Proves that the page at /docs works in a browser under its CSP: it shows every operation, and "Try it out" calls the service that
# served the page. Runs a real service on the emulated Azure and Chromium. Without Chromium, root has Debian's package installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=docs
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh

main() {
  trap clean_up EXIT
  local chromium
  chromium=$(find_chromium)
  if [ -z "$chromium" ]; then
    install_chromium
    chromium=$(find_chromium)
  fi
  start_service
  take_token
  CHROMIUM=$chromium timeout 120 node scripts/docs/try-docs.ts "$url"
}

find_chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome || true
}

install_chromium() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail 'install Chromium (Debian: apt-get install chromium)'
  fi
  apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium >&2
}

main "$@"

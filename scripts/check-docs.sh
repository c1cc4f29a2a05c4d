#!/usr/bin/env bash
# Proves that the page at /docs works in a browser under its CSP: it shows every operation, and "Try it out" calls the service that
# served the page. Runs a real service on the emulated Azure and Chromium. Without Chromium, root has Debian's package installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=docs
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh
. scripts/chromium.sh

main() {
  trap clean_up EXIT
  have_chromium
  start_service
  take_token
  CHROMIUM=$chromium timeout 120 node scripts/docs/try-docs.ts "$url"
}

main "$@"

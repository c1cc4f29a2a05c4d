#!/usr/bin/env bash
# Tests the API reference at /docs in Chromium against a real service on the emulated Azure: every operation with its samples, "Try it" by
# clicks and by keyboard, the CSP, axe-core. Then the code of every sample runs, and its types are checked. Without Chromium, root has
# Debian's package installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=docs
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh
. scripts/chromium.sh
. scripts/clients/client-python.sh

main() {
  trap clean_up EXIT
  have_chromium
  [ -f dist/docs/index.html ] || npm run -s build:pages
  have_client_python
  start_service
  take_token
  CHROMIUM=$chromium timeout 240 node scripts/docs/try-docs.ts "$url"
  timeout 300 node scripts/docs/try-samples.ts "$url" "$python/bin/python"
}

main "$@"

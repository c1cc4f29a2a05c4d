#!/usr/bin/env bash
# Tests the operator's console in Chromium, against a real service on the emulated Azure: the sign-in, the CSP and what another site can do,
# then an operator's tasks, by keyboard too, and axe-core on every page. Without Chromium, root has Debian's package installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=console
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh
. scripts/chromium.sh

main() {
  trap clean_up EXIT
  have_chromium
  export CHROMIUM=$chromium
  [ -f dist/console/index.html ] || npm run -s build:pages
  start_service
  take_token
  timeout 120 node scripts/console/try-console.ts "$url" "$control"
  timeout 300 node scripts/console/try-pages.ts "$url" "$control"
}

main "$@"

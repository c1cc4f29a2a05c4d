#!/usr/bin/env bash
# Onboards a customer in Chromium, from its link until everything works, against a real service on the emulated Azure: without script,
# by keyboard, at 360 px, in both colour schemes, with a drill. Without Chromium, root has Debian's package installed.
# Usage: scripts/check-onboarding.sh [FOLDER], which saves the pictures of the documentation.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=onboarding
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh
. scripts/chromium.sh

main() {
  trap clean_up EXIT
  have_chromium
  start_service
  take_token
  CHROMIUM=$chromium timeout 180 node scripts/onboarding/try-onboarding.ts "$url" "$control" "$@"
}

main "$@"

#!/usr/bin/env bash
# Makes the pictures of docs/images in Chromium, from a real service on the emulated Azure.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=screenshots
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh
. scripts/chromium.sh

main() {
  trap clean_up EXIT
  have_chromium
  npm run -s build:pages
  start_service
  take_token
  mkdir -p docs/images
  CHROMIUM=$chromium timeout 300 node scripts/console/screenshots.ts "$url" docs/images
  CHROMIUM=$chromium timeout 180 node scripts/onboarding/try-onboarding.ts "$url" "$control" docs/images
}

main "$@"

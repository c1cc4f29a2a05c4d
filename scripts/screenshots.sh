#!/usr/bin/env bash
# Makes the pictures of docs/images in Chromium, from a real service on the emulated Azure.
set -euo pipefail
what=screenshots
. "$(dirname "$0")/browser.sh"
npm run -s build:pages
start_pages
mkdir -p docs/images
timeout 300 node scripts/console/screenshots.ts "$url" docs/images
timeout 180 node scripts/onboarding/try-onboarding.ts "$url" "$control" docs/images

#!/usr/bin/env bash
# Tests the operator's console in Chromium, against a real service on the emulated Azure: the sign-in, the CSP and what another site can do,
# then an operator's tasks, by keyboard too, and axe-core on every page.
set -euo pipefail
what=console
. "$(dirname "$0")/browser.sh"
[ -f dist/console/index.html ] || npm run -s build:pages
start_pages
timeout 600 node scripts/console/try-console.ts "$url" "$control"
timeout 900 node scripts/console/try-pages.ts "$url" "$control"

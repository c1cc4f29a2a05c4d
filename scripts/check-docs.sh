#!/usr/bin/env bash
# Tests the API reference at /docs in Chromium against a real service on the emulated Azure: every operation with its samples, "Try it" by
# clicks and by keyboard, the CSP, axe-core. Then the code of every sample runs, and its types are checked.
set -euo pipefail
what=docs
. "$(dirname "$0")/browser.sh"
. scripts/clients/client-python.sh
[ -f dist/docs/index.html ] || npm run -s build:pages
have_client_python
start_pages
timeout 900 node scripts/docs/try-docs.ts "$url"
timeout 900 node scripts/docs/try-samples.ts "$url" "$python/bin/python"

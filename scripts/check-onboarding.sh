#!/usr/bin/env bash
# Onboards a customer in Chromium, from its link until everything works, against a real service on the emulated Azure: without script,
# by keyboard, at 360 px, in both colour schemes, with a drill.
# Usage: scripts/check-onboarding.sh [FOLDER], which saves the pictures of the documentation.
set -euo pipefail
what=onboarding
. "$(dirname "$0")/browser.sh"
start_pages
timeout 600 node scripts/onboarding/try-onboarding.ts "$url" "$control" "$@"

#!/usr/bin/env bash
# Ten minutes of both client libraries, remote and local at once, against one service: memory stays flat and no call fails.
# SOAK_SECONDS (600) shortens it.
set -euo pipefail
what='soak of clients'
. "$(dirname "$0")/site.sh"
start_site
node --expose-gc bench/clients/soak.mjs &
typescript=$!
"$python" bench/clients/soak.py
wait "$typescript"
echo 'soak of clients: memory flat, no call failed'

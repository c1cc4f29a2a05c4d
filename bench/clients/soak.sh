#!/usr/bin/env bash
# Ten minutes of both client libraries, remote and local at once, against one service: memory stays flat and no call fails.
# Needs .clients/ as scripts/check-client-libraries.sh leaves it. SOAK_SECONDS (600) shortens it.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
what='soak of clients'
export PATH="$root/node_modules/.bin:$PATH"
. scripts/dev-service.sh
trap clean_up EXIT

(cd clients/typescript && npm ci >/dev/null && npm run -s build)
start_service
take_token
export VAULTSPAN_URL=$url VAULTSPAN_TOKEN=$TOKEN
node --expose-gc bench/clients/soak.mjs &
typescript=$!
PYTHONPATH=$root/clients/python/src "$root/.clients/client-python/bin/python" bench/clients/soak.py
wait "$typescript"
echo 'soak of clients: memory flat, no call failed'

#!/usr/bin/env bash
# CPU per field of the client libraries, local and remote, against data keys by hand, the AWS Encryption SDK and Tink, all in one run.
# Needs .clients/ as scripts/check-client-libraries.sh leaves it. BENCH_RUNS (5) and BENCH_FIELDS (50000) shorten it.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
what='bench of clients'
export PATH="$root/node_modules/.bin:$PATH"
. scripts/dev-service.sh
trap clean_up EXIT

(cd clients/typescript && npm ci >/dev/null && npm run -s build)
(cd bench/clients && npm ci >/dev/null)
# Without it a fast machine reaches the limit of 10,000 items a second, and the client's retries would be measured.
export VAULTSPAN_HTTP_CALLER_REQUESTS_PER_SECOND=0
start_service
take_token
uptime
echo "Node $(node --version)"
VAULTSPAN_URL=$url VAULTSPAN_TOKEN=$TOKEN node bench/clients/node.mjs
"$root/.clients/client-python/bin/python" --version
PYTHONPATH=$root/clients/python/src "$root/.clients/client-python/bin/python" bench/clients/bench.py

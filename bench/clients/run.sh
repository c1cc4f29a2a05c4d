#!/usr/bin/env bash
# CPU per field of the client libraries, local and remote, against data keys by hand, the AWS Encryption SDK and Tink, all in one run.
# BENCH_RUNS (5) and BENCH_FIELDS (50000) shorten it.
set -euo pipefail
what='bench of clients'
. "$(dirname "$0")/site.sh"
# Without it a fast machine reaches the limit of 10,000 items a second, and the client's retries would be measured.
export VAULTSPAN_HTTP_CALLER_REQUESTS_PER_SECOND=0
start_site
(cd bench/clients && npm ci >/dev/null)
uptime
echo "Node $(node --version)"
node bench/clients/node.mjs
"$python" --version
"$python" bench/clients/bench.py

#!/usr/bin/env bash
# To be sourced: the opening of the bench and the soak of the client libraries. Gives what scripts/dev-service.sh gives, and $python. The script sets
# $what, its name in messages, before.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
python=$root/.clients/client-python/bin/python
export PATH="$root/node_modules/.bin:$PATH" PYTHONPATH=$root/clients/python/src
. scripts/dev-service.sh

# Builds the TypeScript library and starts the service, with its address and a token for the libraries.
start_site() {
  trap clean_up EXIT
  [ -x "$python" ] || fail 'run scripts/check-client-libraries.sh first'
  (cd clients/typescript && npm ci >/dev/null && npm run -s build)
  start_service
  take_token
  export VAULTSPAN_URL=$url VAULTSPAN_TOKEN=$TOKEN
}

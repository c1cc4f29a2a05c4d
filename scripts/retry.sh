#!/usr/bin/env bash
# Runs a command that fetches packages, at most three times: registries fail for moments. Usage: scripts/retry.sh COMMAND…
set -uo pipefail
for pause in 5 20; do
  "$@" && exit
  echo "retry: $1 ${2-} failed; the next try is in $pause s" >&2
  sleep "$pause"
done
exec "$@"

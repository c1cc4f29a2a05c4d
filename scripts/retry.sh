#!/usr/bin/env bash
# Runs a command that fetches packages, at most three times: registries fail for moments, and npm was seen to hang.
# Usage: scripts/retry.sh COMMAND…
set -uo pipefail
attempt() { timeout --kill-after=10 400 "$@"; }
for pause in 5 20; do
  attempt "$@" && exit
  echo "retry: $1 ${2-} failed; the next try is in $pause s" >&2
  sleep "$pause"
done
attempt "$@"

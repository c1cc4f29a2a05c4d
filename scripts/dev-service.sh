#!/usr/bin/env bash
# To be sourced: a throwaway service on the emulated Azure, with its state in a folder of its own.
# Needs $root (the repository) and Node 26 in PATH; gives $url, $control, $work (the folder) and $service (its process id).
# $NODE and $main, where set, are the Node and the entry that run it.

# A developer's own settings must not reach the service that is started here.
for name in "${!VAULTSPAN_@}"; do unset "$name"; done
unset DATABASE_URL
# Everything that is called here is on this machine, but for what pip fetches.
export NO_PROXY="localhost,127.0.0.1${NO_PROXY:+,$NO_PROXY}"
work=$(mktemp -d)
service=

# A port that was free may be taken before the service has it: then it tries others.
start_service() {
  local tries
  for tries in 1 2 3; do
    start_on_free_ports && return
    grep -q 'in use' "$work/service.log" || break
  done
  fail 'the service did not start'
}

start_on_free_ports() {
  local port deadline
  port=$(node "$root/scripts/clients/free-ports.ts" 16) # one for the service, and room for the emulator's, which are neighbours
  url=http://127.0.0.1:$port
  control=http://127.0.0.1:$((port + 1)) # where the emulated Azure takes orders
  (cd "$work" && exec "${NODE:-node}" "${main:-$root/src/main.ts}" dev --port "$port" --emulator-port "$((port + 2))") >"$work/service.log" 2>&1 &
  service=$!
  deadline=$((SECONDS + 180))
  until service_is_ready; do
    kill -0 "$service" 2>/dev/null || return 1
    [ "$SECONDS" -lt "$deadline" ] || fail 'the service was not ready within 180 s'
    sleep 0.2
  done
}

service_is_ready() {
  node -e 'fetch(process.argv[1], { signal: AbortSignal.timeout(5000) }).then(
    ({ status }) => process.exit(status === 200 ? 0 : 1), () => process.exit(1))' "$url/readyz"
}

# By the environment: arguments are everybody's to read.
take_token() {
  TOKEN=$(cd "$work" && "${NODE:-node}" "${main:-$root/src/main.ts}" token)
  export TOKEN
}

# For a trap on EXIT; says what the service said where the script fails.
clean_up() {
  local status=$?
  # What runs beside the script would go on without the service.
  [ "$status" = 0 ] || kill $(jobs -p) 2>/dev/null || true
  if [ -n "$service" ]; then
    # Its state goes anyway, so there is nothing to wait for that a drain would save.
    kill -KILL "$service" 2>/dev/null || true
    wait "$service" 2>/dev/null || true
    if [ "$status" != 0 ]; then
      echo "$what: failed; what the service said:" >&2
      cat "$work/service.log" >&2
    fi
  fi
  rm -rf "$work"
  exit "$status"
}

fail() {
  echo "$what: $1" >&2
  exit 1
}

#!/usr/bin/env bash
# Runs a command with TEST_DATABASE_URL set to a throw-away PostgreSQL: scripts/postgres.sh npm test -- test/tenants
# Without the server's programs, root has Debian's package installed. The server and its folder go when the command ends.
set -euo pipefail
retry=$(dirname "$0")/retry.sh

main() {
  bin=$(find_programs)
  if [ -z "$bin" ]; then
    install_package
    bin=$(find_programs)
  fi
  as=()
  [ "$(id -u)" != 0 ] || as=(runuser -u postgres --) # initdb refuses root
  folder=$(mktemp -d /tmp/vaultspan-postgres.XXXXXX) # not $TMPDIR: a socket's path has at most 107 characters
  trap clean_up EXIT
  trap 'exit 143' TERM
  [ ${#as[@]} = 0 ] || chown postgres "$folder"
  start
  export TEST_DATABASE_URL="postgres://postgres@/postgres?host=$folder"
  "$@"
}

# Debian keeps them off the PATH, one folder for each version; elsewhere pg_config may tell.
find_programs() {
  local found
  found=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1) || true
  [ -n "$found" ] || found=$(pg_config --bindir 2>/dev/null) || true
  [ ! -x "$found/initdb" ] || echo "$found"
}

install_package() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo 'postgres: install PostgreSQL 15 or later (Debian: apt-get install postgresql)' >&2
    exit 1
  fi
  mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf # no server but ours
  "$retry" apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive "$retry" apt-get install -qy --no-install-recommends postgresql >&2
}

# Its language is English, so that an order that depends on it shows, and nothing is made durable, since nothing is kept.
start() {
  local options="-k $folder -c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
  run initdb -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --locale-provider=icu --icu-locale=en --no-sync
  run pg_ctl -D "$folder/data" -l "$folder/log" -o "$options" -w start
}

# In the server's folder, since its user may not enter the caller's. What it says is shown only when it fails.
run() {
  local program=$1 output
  shift
  output=$(cd "$folder" && "${as[@]}" "$bin/$program" "$@" 2>&1) || {
    printf 'postgres: %s failed\n%s\n' "$program" "$output" >&2
    [ ! -e "$folder/log" ] || cat "$folder/log" >&2
    return 1
  }
}

clean_up() {
  (cd "$folder" && "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1) || true
  rm -rf "$folder"
}

main "$@"

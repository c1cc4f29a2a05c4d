#!/usr/bin/env bash
# To be sourced: the opening of each script that tests pages. Gives $root, Node 26 in PATH, what dev-service.sh gives, and CHROMIUM. The script sets
# $what, its name in messages, before.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
. scripts/dev-service.sh

# Starts the service and exports a token and the path of a Chromium.
start_pages() {
  trap clean_up EXIT
  have_chromium
  start_service
  take_token
}

# Without Chromium, root has Debian's package installed.
have_chromium() {
  CHROMIUM=$(find_chromium)
  if [ -z "$CHROMIUM" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      fail 'install Chromium (Debian: apt-get install chromium)'
    fi
    scripts/retry.sh apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive scripts/retry.sh apt-get install -qy --no-install-recommends chromium >&2
    CHROMIUM=$(find_chromium)
  fi
  export CHROMIUM
}

find_chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome || true
}

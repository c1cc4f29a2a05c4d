#!/usr/bin/env bash
# To be sourced: gives $chromium, the path of a Chromium. Without one, root has Debian's package installed.
# Needs `fail` of dev-service.sh.

have_chromium() {
  chromium=$(find_chromium)
  [ -n "$chromium" ] && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail 'install Chromium (Debian: apt-get install chromium)'
  fi
  apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium >&2
  chromium=$(find_chromium)
}

find_chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome || true
}

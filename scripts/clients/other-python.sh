#!/usr/bin/env bash
# Makes FOLDER a virtual environment of another Python version, without pip: scripts/clients/other-python.sh 3.14 FOLDER
# It takes the machine's own or pyenv's. Else it unpacks that of Debian testing beside FOLDER: nothing is installed, and the
# machine's sources of packages stay as they are. Fails where that version can't be had.
set -euo pipefail
version=$1
folder=$2
unpacked=$folder-debian

main() {
  local python
  python=$(find_python) || { unpack_debian && python=$unpacked/usr/bin/python$version; } || {
    echo "python: no $version here, nor in Debian testing" >&2
    exit 1
  }
  rm -rf "$folder"
  "$python" -m venv --without-pip "$folder"
}

find_python() {
  local found
  for found in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/"python$version"; do
    # A shim of pyenv is there for versions that are not chosen.
    if "$found" -c 'import venv' 2>/dev/null; then
      command -v "$found"
      return
    fi
  done
  return 1
}

unpack_debian() {
  local mirror state=$unpacked/apt options
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || return 1
  rm -rf "$unpacked"
  mkdir -p "$state/sources" "$state/lists/partial" "$state/cache/archives/partial"
  : >"$state/status" # no package is there, so that apt fetches the C library too
  printf 'Types: deb\nURIs: %s\nSuites: testing\nComponents: main\nSigned-By: %s\n' "$mirror" \
    /usr/share/keyrings/debian-archive-keyring.gpg >"$state/sources/testing.sources"
  options=(-q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$state/sources" -o "Dir::State::lists=$state/lists"
    -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" -o Acquire::Languages=none -o Debug::NoLocking=1
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Install-Recommends=0 -o Acquire::http::Timeout=20)
  timeout 60 apt-get "${options[@]}" update >"$state/log" 2>&1 || return 1
  timeout 60 apt-get "${options[@]}" install -y --download-only "python$version" >>"$state/log" 2>&1 || return 1
  for package in "$state"/cache/archives/*.deb; do dpkg-deb -x "$package" "$unpacked"; done
  rm -rf "$state"
  launch
}

# As the machine's own sources have it.
debian_mirror() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' | grep -E '/debian/?$' | head -1
}

# The C library of the machine is older: the program is run with the loader and the libraries that were unpacked with it.
launch() {
  local program=$unpacked/usr/bin/python$version loader libraries
  loader=$(find "$unpacked" -name 'ld-linux*.so.*' | head -1)
  libraries=$(dirname "$(find "$unpacked" -name libc.so.6 | head -1)")
  mv "$program" "$program.program"
  printf '#!/bin/sh\nexec "%s" --library-path "%s" --argv0 "$0" "%s" "$@"\n' "$loader" "$libraries" "$program.program" >"$program"
  chmod +x "$program"
  "$program" -c 'import ssl, sqlite3' 2>/dev/null
}

main

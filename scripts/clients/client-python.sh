#!/usr/bin/env bash
# To be sourced: gives $python, a virtual environment with the packages of clients/python, in .clients/ (safe to delete).
# Needs $root (the repository).

have_client_python() {
  local locked=$root/clients/python/requirements-dev.txt
  python=$root/.clients/client-python
  cmp -s "$locked" "$python/installed" && return
  rm -rf "$python"
  mkdir -p "$root/.clients"
  python3 -m venv "$python"
  "$root/scripts/retry.sh" "$python/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r "$locked"
  cp "$locked" "$python/installed"
}

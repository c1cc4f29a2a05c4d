#!/usr/bin/env bash
# Prints the path of a Python that has the packages of a requirements file (by default those of test/support), in a virtual
# environment under node_modules/.cache that is made when it is first needed and again when the requirements change.
# Usage: scripts/python-venv.sh [NAME REQUIREMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-python}
requirements=${2:-test/support/python/python-requirements.txt}
folder=node_modules/.cache/$name
python="$PWD/$folder/bin/python"

if ! command -v python3 >/dev/null; then
  echo 'python3 is missing: install Python 3.9 or newer with its venv module (Debian: apt-get install python3 python3-venv)' >&2
  exit 1
fi
# Two test files may need it at once: one makes it, the other waits.
mkdir -p node_modules/.cache
deadline=$((SECONDS + 600))
until mkdir "$folder.lock" 2>/dev/null; do
  [ "$SECONDS" -lt "$deadline" ] || {
    echo "something else makes $folder, or was killed while it did: then remove $folder.lock" >&2
    exit 1
  }
  sleep 0.2
done
trap 'rmdir "$folder.lock"' EXIT
if ! cmp -s "$requirements" "$folder/installed.txt"; then
  rm -rf "$folder"
  python3 -m venv "$folder" >&2 || {
    echo "python3 can't make a virtual environment: install its venv module (Debian: apt-get install python3-venv)" >&2
    exit 1
  }
  scripts/retry.sh "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$requirements" >&2
  cp "$requirements" "$folder/installed.txt"
fi
echo "$python"

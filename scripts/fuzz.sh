#!/usr/bin/env bash
# The fuzz suite for long: a million mutated inputs, or as many as are asked for, with progress. A failure prints the seed that
# FUZZ_SEED takes to run the same again. Usage: scripts/fuzz.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH" # Node 26, whatever the machine has
export FUZZ_RUNS=${1:-1000000}
exec node --disable-warning=ExperimentalWarning node_modules/jest/bin/jest.js test/fuzz --verbose

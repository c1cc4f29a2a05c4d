#!/usr/bin/env bash
# Builds the native accelerator from its sources and puts it where the service looks for it. Nothing is downloaded but the sources of
# the crates that native/Cargo.lock names. Usage: npm run native
set -euo pipefail
cd "$(dirname "$0")/../native"
cargo build --release --locked
target=$(cargo metadata --format-version 1 --no-deps --locked | node -p 'JSON.parse(fs.readFileSync(0, "utf8")).target_directory')
for built in "$target/release/libvaultspan_native.so" "$target/release/libvaultspan_native.dylib" "$target/release/vaultspan_native.dll"; do
  [ -e "$built" ] || continue
  # By a new name first: a running service has the old file in memory.
  cp "$built" vaultspan-native.node.new
  mv vaultspan-native.node.new vaultspan-native.node
  exit 0
done
echo "cargo built no module in $target/release" >&2
exit 1

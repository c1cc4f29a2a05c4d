#!/usr/bin/env bash
# Packs the npm package from dist, installs it into an empty folder and runs it from there as `npx` does: version, the service on the
# emulated Azure with one encrypt by curl, and the message that an older Node gets.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
what=npm-package
export PATH="$root/node_modules/.bin:$PATH" # Node 26, whatever the machine has
# shellcheck source=scripts/dev-service.sh
. "$root/scripts/dev-service.sh"
trap clean_up EXIT

tarball=$(node "$root/scripts/npm-package.ts" "$work")
installed=$work/empty
mkdir "$installed"
echo '{}' >"$installed/package.json"
"$root/scripts/retry.sh" npm install --prefix "$installed" --no-audit --no-fund --ignore-scripts --prefer-offline "$tarball" >&2
package=$installed/node_modules/vaultspan

contents=$(cd "$package" && find . -type f | sed 's|^\./||')
unwanted=$(grep -Ev '^(package\.json|README\.md|LICENSE|openapi\.yaml|docs/licences\.md|bin/|dist/)' <<<"$contents" || true)
unwanted+=$(grep -E '\.(ts|tsx|map)$|(^|/)tests?/|\.test\.' <<<"$contents" || true)
[ -z "$unwanted" ] || fail "these files do not belong into the package: $unwanted"
[ ! -e "$installed/node_modules/.bin/node" ] || fail 'the package brings a Node along'

version=$(cd "$installed" && npx --no-install vaultspan --version)
[ "$version" = "$(node -p "require('$root/package.json').version")" ] || fail "the version is $version"

# The Node of the machine may be new, so this one only claims to be old.
older="data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'24.0.0'}})"
rc=0
said=$(cd "$installed" && NODE_OPTIONS="--import=$older" npx --no-install vaultspan dev 2>&1) || rc=$?
[ "$rc $said" = '2 vaultspan: Node 24.0.0 is too old: run it with Node 26 or newer' ] || fail "on an older Node: $rc $said"

main=$package/bin/vaultspan.js
start_service
take_token
encrypted=$(curl -sS --fail-with-body "$url/tenants/contoso/encrypt" \
  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"plaintext":"aGVsbG8="}') || fail "encrypt: $encrypted"
[[ $encrypted == '{"ciphertext":"eyJ'* ]] || fail "encrypt: $encrypted"
# The package has no native accelerator; the module of a release, put in its place, is used.
if [ -f "$root/native/vaultspan-native.node" ]; then
  mkdir "$package/native"
  cp "$root/native/vaultspan-native.node" "$package/native/"
  (cd "$work" && node -e "
    const { openGcm } = await import('$package/dist/compose/gcm.js');
    const logger = { info: () => undefined, warn: (_, text) => { throw new Error(text); } };
    openGcm({ accelerator: 'required' }, logger);" --input-type=module) || fail 'the accelerator of a release is not found in the package'
fi
page=$(curl -sS --fail "$url/docs") # whole: `grep -q` would close the pipe under curl
[[ $page == *'<title>Vaultspan API</title>'* ]] || fail 'the package has no page at /docs'
echo "npm-package: $(wc -l <<<"$contents") files, $(stat -c %s "$tarball") bytes; $version installed into an empty folder, ran and encrypted"

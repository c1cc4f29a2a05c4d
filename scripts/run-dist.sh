#!/usr/bin/env bash
# Runs the built dist once: a service on the emulated Azure, one encrypt, one decrypt. On an official Node of 26 or newer where
# the machine has one; else on the packages' binary, and says so.
set -euo pipefail
what=run-dist
root=$(cd "$(dirname "$0")/.." && pwd)
packaged=$root/node_modules/.bin

official_node() {
  local folder
  while IFS= read -r -d : folder; do
    case $folder in */node_modules/.bin) continue ;; esac
    [ -x "$folder/node" ] || continue
    "$folder/node" -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 26 ? 0 : 1)' || continue
    echo "$folder/node"
    return
  done <<<"$PATH:"
}

NODE=$(official_node)
if [ -n "$NODE" ]; then
  echo "run-dist: on the machine's own Node $("$NODE" --version)"
else
  NODE=$packaged/node
  echo "run-dist: the machine has no official Node 26 or newer, so dist ran on the packages' $("$NODE" --version)"
fi
export PATH="$packaged:$PATH"
main=$root/dist/main.js
# shellcheck source=scripts/dev-service.sh
. "$root/scripts/dev-service.sh"
trap clean_up EXIT
start_service
take_token
"$NODE" - "$url" <<'JS'
const [, , url] = process.argv;
const call = async (name, body) => {
  const headers = { authorization: `Bearer ${process.env.TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}/tenants/contoso/${name}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
  return response.json();
};
const plaintext = Buffer.from('dist').toString('base64');
const { ciphertext } = await call('encrypt', { plaintext });
if ((await call('decrypt', { ciphertext })).plaintext !== plaintext) throw new Error('the plaintext did not come back');
JS
echo 'run-dist: dist encrypted and decrypted'

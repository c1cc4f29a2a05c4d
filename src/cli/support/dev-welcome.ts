import type { Emulator } from '../../emulator/emulator.ts';

const STATES: Readonly<Record<string, string>> = {
  contoso: 'has granted access; a data key, a compact data key with leases, a wrap key and an index',
  fabrikam: 'has granted access; two data keys',
  northwind: 'has added the app, but granted it no role on the vault',
  adatum: 'has not added the app',
};

/** Returns the text for a newcomer: addresses, and commands that work when pasted. */
export function welcome(url: string, emulator: Emulator): string {
  const tenants = emulator.customers.map(
    ({ name, vaultUrl }) => `  ${name.padEnd(10)} ${vaultUrl}   ${STATES[name] ?? ''}`,
  );
  const post = (path: string, body: string) =>
    `curl -s ${url}/tenants/${path} -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d ${body}`;
  return `
Vaultspan runs against an emulated Azure. Nothing here is real; state is kept in .vaultspan/

  service    ${url}        documentation ${url}/docs
  console    ${url}/console/        sign in as operator, auditor or nobody
  Entra      ${emulator.authorityHost}
  home vault ${emulator.homeVaultUrl}
  control    ${emulator.controlUrl}        change the customers' access with curl

Tenants:
${tenants.join('\n')}

Try it in another terminal, in this folder:

  TOKEN=$(npx vaultspan token)

  # encrypt under contoso's key, and decrypt again
  CIPHERTEXT=$(${post('contoso/encrypt', `'{"plaintext":"aGVsbG8=","encryptionContext":{"purpose":"demo"}}'`)} | sed 's/.*"ciphertext":"\\([^"]*\\)".*/\\1/')
  ${post('contoso/decrypt', `'{"ciphertext":"'$CIPHERTEXT'","encryptionContext":{"purpose":"demo"}}'`)}

  # for whom and why: the audit record has both
  ${post('contoso/decrypt', `'{"ciphertext":"'$CIPHERTEXT'","encryptionContext":{"purpose":"demo"}}'`)} -H 'Access-Subject: ann@example.org' -H 'Access-Reason: ticket-4711'

  # the same value under a compact key: a sixth of the length; the branch key it names is in the database
  ${post('contoso/encrypt', `'{"plaintext":"aGVsbG8=","key":"compact"}'`)}

  # look-up tokens of an e-mail address, in the index of contoso's record
  ${post('contoso/indexes/email/tokens', `'{"values":["YW5uQGV4YW1wbGUub3Jn"]}'`)}

  # refused, with the reason and the fix: no role on the vault; app not added
  ${post('northwind/encrypt', `'{"plaintext":"aGVsbG8="}'`)}
  ${post('adatum/encrypt', `'{"plaintext":"aGVsbG8="}'`)}

  # contoso disables its key: requests are refused within 5 s; it enables the key: they succeed within 10 s
  curl -s ${emulator.controlUrl}/disable-key -d '{"vault":"contoso","key":"data"}'
  curl -s ${emulator.controlUrl}/enable-key -d '{"vault":"contoso","key":"data"}'

  # contoso's doorbell: after it rings, the next use must ask the vault. A drill shows how fast each process obeys: disable and enable the key meanwhile
  curl -s -X POST ${url}/doorbell/$(npx vaultspan bell show contoso)
  npx vaultspan drill contoso

  # contoso's receipts: a signed checkpoint of its audit records, and the proof of the first (5 s after a record)
  curl -s ${url}/tenants/contoso/log/checkpoint -H "Authorization: Bearer $TOKEN"
  curl -s '${url}/tenants/contoso/log/proof?sequence=0' -H "Authorization: Bearer $TOKEN"

  # contoso's SIEM: its audit records, as its data collection rule has accepted them (10 s after a record)
  curl -s ${emulator.controlUrl}/ingested-rows
  curl -s ${url}/tenants/contoso -H "Authorization: Bearer $TOKEN" | grep -o '"siemDelivery":{[^}]*}'

  # a link to northwind's page, on which its administrator adds the app, grants the role and checks
  npx vaultspan onboard northwind --link

Stop with Ctrl-C.
`;
}

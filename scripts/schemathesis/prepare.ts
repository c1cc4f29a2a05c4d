// Prints openapi.yaml with the addresses of its examples replaced by those of an emulated customer,
// who gets a new vault: a vault belongs to the tenant that had it first. A tenant that the examples
// register then has a vault that answers, and no host beyond this machine is ever asked. Usage:
// node prepare.ts URL CONTROL-URL, with TOKEN in the environment.
import { readFile } from 'node:fs/promises';
import process from 'node:process';

const CUSTOMER = 'northwind';
const EXAMPLES = {
  entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
  vaultUrl: 'https://contoso-kv.vault.azure.net',
};

const [url = '', control = ''] = process.argv.slice(2);

const read = await fetch(`${url}/tenants/${CUSTOMER}`, {
  headers: { Authorization: `Bearer ${process.env['TOKEN']}` },
});
const { entraTenantId } = (await read.json()) as { readonly entraTenantId?: string };
const added = await fetch(`${control}/add-vault`, {
  method: 'POST',
  body: JSON.stringify({ tenant: CUSTOMER, name: `${CUSTOMER}-spare` }),
});
const { vaultUrl } = (await added.json()) as { readonly vaultUrl?: string };
if (entraTenantId === undefined || vaultUrl === undefined) throw new Error(`${CUSTOMER} has no directory or no vault`);

const contract = await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8');
process.stdout.write(contract.replaceAll(EXAMPLES.vaultUrl, vaultUrl).replaceAll(EXAMPLES.entraTenantId, entraTenantId));

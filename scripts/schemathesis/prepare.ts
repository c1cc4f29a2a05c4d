// Prints openapi.yaml with the addresses of its examples replaced by those of an emulated customer, whose tenant is removed first:
// node prepare.ts URL, with TOKEN in the environment. What is registered by the examples then is a tenant whose vault answers, and no
// host beyond this machine is ever asked.
import { readFile } from 'node:fs/promises';
import process from 'node:process';

const FREED = 'northwind';
const EXAMPLES = {
  entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
  vaultUrl: 'https://contoso-kv.vault.azure.net',
};

const [url = ''] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${process.env['TOKEN']}` };

const read = await fetch(`${url}/tenants/${FREED}`, { headers });
const tenant = (await read.json()) as {
  readonly entraTenantId: string;
  readonly keys: Readonly<Record<string, { readonly vaultUrl: string }>>;
};
const removed = await fetch(`${url}/tenants/${FREED}`, {
  method: 'DELETE',
  headers: { ...headers, 'If-Match': read.headers.get('etag') ?? '' },
});
const vaultUrl = tenant.keys['data']?.vaultUrl;
if (removed.status !== 204 || vaultUrl === undefined) throw new Error(`${FREED} is not there to be removed`);

const contract = await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8');
process.stdout.write(
  contract.replaceAll(EXAMPLES.vaultUrl, vaultUrl).replaceAll(EXAMPLES.entraTenantId, tenant.entraTenantId),
);

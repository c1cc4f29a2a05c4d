// Writes the onboarding files of tenants with different vaults, for scripts/check-templates.sh:
// node scripts/onboarding-files.ts FOLDER makes a folder for each tenant.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { bicepFile } from '../src/operations/onboarding/bicep-file.ts';
import { fileName } from '../src/operations/onboarding/onboarding-file.ts';
import { terraformFile } from '../src/operations/onboarding/terraform-file.ts';
import type { RegisteredKey, Tenant } from '../src/tenants/record.ts';

const [, , folder = ''] = process.argv;
const APP = 'c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02';
const VENDOR = {
  vendorName: 'Ödön\'s "Vendor" $x */ // #',
  vendorContact: 'help@vendor.example',
  egressAddresses: ['203.0.113.7', '2001:db8::/48'],
};
const key = (host: string, name: string): RegisteredKey => ({ vaultUrl: `https://${host}`, name, use: 'data' });
const KEYS: Readonly<Record<string, Readonly<Record<string, RegisteredKey>>>> = {
  'one-key': { data: key('contoso-kv.vault.azure.net', 'data') },
  'two-vaults': {
    data: key('contoso-kv.vault.azure.net', 'data'),
    again: key('contoso-kv.vault.azure.net', 'data'),
    wrap: key('contoso-kv.vault.azure.net', 'wrap-2'),
    archive: key('contoso-archive.vault.azure.net', 'archive'),
    hsm: key('contoso-hsm.managedhsm.azure.net', 'hsm'),
  },
};

for (const [id, keys] of Object.entries(KEYS)) {
  const tenant: Tenant = {
    id,
    entraTenantId: '80c5e2b9-d36f-4712-9e84-2ba7f1064c5d',
    state: 'active',
    keys,
    defaultKey: 'data',
    retiredKeys: [],
    origin: 'required',
    requiredContext: [],
    revision: '1',
    createdAt: '2026-11-01T00:00:00Z',
    updatedAt: '2026-11-01T00:00:00Z',
  };
  mkdirSync(join(folder, id), { recursive: true });
  writeFileSync(join(folder, id, fileName(id, 'bicep')), bicepFile(tenant, APP, VENDOR));
  writeFileSync(join(folder, id, fileName(id, 'terraform')), terraformFile(tenant, APP, VENDOR));
}

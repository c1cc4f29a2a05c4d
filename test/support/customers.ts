import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Emulator } from '../../src/emulator/emulator.ts';
import type { TestService } from './start-service.ts';
import { until } from './until.ts';

const WRAP_ROLE = 'Key Vault Crypto Service Encryption User';

/** A tenant's record in the form of the file. */
export interface TenantRecord {
  readonly [member: string]: unknown;
  readonly id: string;
  readonly keys: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

type Change = (tenant: TenantRecord) => TenantRecord;

/**
 * Rewrites the tenants file and waits until the service has read it: all its data keys are cold
 * then.
 */
async function rewriteTenants(
  service: TestService,
  change: (tenants: readonly TenantRecord[]) => readonly TenantRecord[],
): Promise<void> {
  const file = join(service.folder, 'tenants.json');
  const { tenants } = JSON.parse(await readFile(file, 'utf8')) as { tenants: TenantRecord[] };
  const seen = service.logLines.length;
  await writeFile(`${file}.new`, JSON.stringify({ tenants: change(tenants) }));
  await rename(`${file}.new`, file);
  await until(
    () => service.logLines.slice(seen).some((line) => line.includes('"msg":"tenants reloaded"')),
    'the tenants file is reread',
  );
}

/** Changes every tenant that the file has. */
export const changeTenants = (service: TestService, change: Change): Promise<void> =>
  rewriteTenants(service, (tenants) => tenants.map(change));

export const changeTenant = (service: TestService, id: string, change: Change): Promise<void> =>
  changeTenants(service, (tenant) => (tenant.id === id ? change(tenant) : tenant));

/**
 * Adds customers with one key each, every one with a directory and a vault of its own, where the
 * app may wrap and unwrap.
 */
export async function addCustomers(service: TestService, names: readonly string[]): Promise<void> {
  const { emulator } = service;
  const records = await Promise.all(names.map((name) => addCustomer(emulator, name)));
  await rewriteTenants(service, (tenants) => [...tenants, ...records]);
}

async function addCustomer({ control }: Emulator, name: string): Promise<TenantRecord> {
  const { tenantId } = await control.addTenant({ name });
  await control.addApp({ tenant: name });
  const { vaultUrl } = await control.addVault({ tenant: name, name });
  await control.createKey({ vault: name, key: 'data' });
  await control.grantRole({ vault: name, role: WRAP_ROLE });
  const keys = { data: { vaultUrl, name: 'data', use: 'data' } };
  return { id: name, entraTenantId: tenantId, keys, defaultKey: 'data' };
}

import process from 'node:process';
import type { TenantRegistry } from '../src/tenants/registry.ts';
import { tenantSchema } from '../src/tenants/tenant-schema.ts';
import { vaultHosts } from '../src/tenants/vault-hosts.ts';

const AT_ONCE = 20;

export const hosts = vaultHosts(['.vault.azure.net'], true);
const schema = tenantSchema(hosts);

export const idOf = (at: number): string => `tenant-${String(at).padStart(6, '0')}`;
const recordOf = (at: number): unknown => ({
  id: idOf(at),
  entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
  keys: { data: { vaultUrl: `https://kv${at}.vault.azure.net`, name: 'data', use: 'data' } },
  defaultKey: 'data',
});

/** So many tenants that nobody calls. */
export async function registerMany(registry: TenantRegistry, count: number): Promise<void> {
  for (let at = 0; at < count; at += AT_ONCE) {
    const more = Array.from({ length: Math.min(AT_ONCE, count - at) }, (_, offset) => recordOf(at + offset));
    await register(registry, more);
    if (at % 10_000 === 0) process.stderr.write(`${at} of ${count} registered\r`);
  }
}

export async function register(registry: TenantRegistry, records: readonly unknown[]): Promise<void> {
  await Promise.all(records.map((record) => registry.put(schema.parse(record), undefined, 'bench')));
}

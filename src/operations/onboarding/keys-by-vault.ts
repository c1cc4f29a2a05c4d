import { isManagedHsm } from '../../tenants/azure-commands.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';

/** The keys of one vault, with a symbol that is usable in templates. */
export interface VaultKeys {
  readonly symbol: string;
  readonly vaultUrl: string;
  readonly vaultName: string;
  readonly keys: readonly { readonly symbol: string; readonly key: RegisteredKey }[];
}

/** Returns the tenant's vaults with their keys, each key once; Managed HSMs apart. */
export function keysByVault(tenant: Tenant): {
  readonly vaults: readonly VaultKeys[];
  readonly hsmKeys: readonly RegisteredKey[];
} {
  const keys = [...new Map(Object.values(tenant.keys).map((key) => [`${key.vaultUrl} ${key.name}`, key])).values()];
  const inVaults = keys.filter(({ vaultUrl }) => !isManagedHsm(vaultUrl));
  const vaults = [...Map.groupBy(inVaults, ({ vaultUrl }) => vaultUrl)].map(([vaultUrl, some], index) => ({
    symbol: `vault${index + 1}`,
    vaultUrl,
    vaultName: new URL(vaultUrl).hostname.split('.')[0] ?? '',
    keys: some.map((key, n) => ({ symbol: `key${index + 1}x${n + 1}`, key })),
  }));
  return { vaults, hsmKeys: keys.filter(({ vaultUrl }) => isManagedHsm(vaultUrl)) };
}

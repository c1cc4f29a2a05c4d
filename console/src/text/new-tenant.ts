/** The record of a new tenant as it stands in the form. */
export interface NewTenant {
  readonly id: string;
  readonly displayName: string;
  readonly entraTenantId: string;
  readonly vaultUrl: string;
  readonly keyName: string;
}

export type NewTenantFaults = Partial<Record<keyof NewTenant, string>>;

const ID = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const VAULT = /^https:\/\/[^/\s]+\/?$/;
const KEY = /^[0-9a-zA-Z-]{1,127}$/;

/** Returns what is wrong with the form; the service checks the rest. */
export function faultsOf({ id, entraTenantId, vaultUrl, keyName }: NewTenant): NewTenantFaults {
  return {
    ...(ID.test(id) ? {} : { id: 'Must be 1 to 64 of a-z, 0-9 and hyphens' }),
    ...(GUID.test(entraTenantId.trim()) ? {} : { entraTenantId: "Must be the GUID of the customer's directory" }),
    ...(VAULT.test(vaultUrl.trim()) ? {} : { vaultUrl: 'Must be the https address of a vault' }),
    ...(KEY.test(keyName.trim()) ? {} : { keyName: 'Must be the name of a key' }),
  };
}

/** Returns the record that the form stands for: one key for data. */
export const recordOf = ({ displayName, entraTenantId, vaultUrl, keyName }: NewTenant): object => ({
  ...(displayName.trim() === '' ? {} : { displayName: displayName.trim() }),
  entraTenantId: entraTenantId.trim().toLowerCase(),
  keys: { data: { vaultUrl: vaultUrl.trim(), name: keyName.trim(), use: 'data' } },
  defaultKey: 'data',
});

import { ServiceError } from '../../errors.ts';
import type { KeyName, KeyringStore, StoredKey } from '../../keyring/keyring-store.ts';
import { RowFailure } from '../../keyring/moving-keys.ts';
import type { Tenant } from '../../tenants/record.ts';

export interface VerifyDeps {
  readonly keyring: { readonly keys: Pick<KeyringStore, 'page'> };
  readonly dataKeys: { checkStoredKey(tenant: Tenant, row: StoredKey): Promise<void> };
  /** Returns a tenant, removed ones included; undefined for an unknown id. */
  readonly tenantOfKeys: (tenantId: string) => Promise<Tenant | undefined>;
}

/**
 * The result of one key:
 * - `opens`: the vault opened it, and its row says the same as its JWE
 * - `destroyed`: a tombstone
 * - `refused`: the vault does not open it now: the customer's decision or setting
 * - `damaged`: it opens nowhere; import a copy
 * - `unknown`: the vault did not answer, or the tenant is not registered
 */
export interface VerifiedKey {
  readonly key: StoredKey;
  readonly state: 'opens' | 'destroyed' | 'refused' | 'damaged' | 'unknown';
  readonly code?: string;
  readonly reason?: string | undefined;
}

const PAGE = 200;

/**
 * Opens every stored key of one tenant or of all, and returns the result of each. A tenant whose
 * vault does not answer is asked once.
 * @throws ServiceError `registry-unavailable`
 */
export async function* verifyBranchKeys(deps: VerifyDeps, tenantId?: string): AsyncGenerator<VerifiedKey> {
  let tenant: { readonly id: string; readonly record: Tenant | undefined } | undefined;
  let outage: VerifiedKey | undefined;
  for await (const key of allKeys(deps.keyring.keys, tenantId)) {
    if (tenant?.id !== key.tenantId) {
      tenant = { id: key.tenantId, record: await deps.tenantOfKeys(key.tenantId) };
      outage = undefined;
    }
    const result = outage ? { ...outage, key } : await verifyOne(deps, tenant.record, key);
    if (result.state === 'unknown') outage = result;
    yield result;
  }
}

/** Returns the stored keys in the order of their names, with one page in memory at a time. */
export async function* allKeys(keys: Pick<KeyringStore, 'page'>, tenantId?: string): AsyncGenerator<StoredKey> {
  let page: readonly StoredKey[];
  let after: KeyName | undefined;
  do {
    page = (await keys.page(PAGE, after, tenantId)).keys;
    after = page.at(-1);
    yield* page;
  } while (page.length === PAGE);
}

async function verifyOne(deps: VerifyDeps, tenant: Tenant | undefined, key: StoredKey): Promise<VerifiedKey> {
  if (key.jwe === undefined) return { key, state: 'destroyed' };
  if (!tenant) return { key, state: 'unknown', code: 'tenant-not-found' };
  try {
    await deps.dataKeys.checkStoredKey(tenant, key);
    return { key, state: 'opens' };
  } catch (error) {
    if (error instanceof RowFailure) {
      const { code, reason, scope } = error.cause;
      return { key, state: scope === 'key' || code === 'unknown-key' ? 'refused' : 'damaged', code, reason };
    }
    if (!(error instanceof ServiceError)) throw error;
    const { code, reason, scope } = error;
    return { key, state: scope === 'tenant' ? 'refused' : 'unknown', code, reason };
  }
}

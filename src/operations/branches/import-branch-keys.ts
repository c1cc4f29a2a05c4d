import type { KeyObject } from 'node:crypto';
import { ServiceError } from '../../errors.ts';
import type { BranchCopies } from '../../keyring/branches/branch-deps.ts';
import type { LinedKey } from '../../keyring/key-line.ts';
import type { BranchEvent, KeyringStore, NewStoredKey, StoredKey } from '../../keyring/keyring-store.ts';
import { RowFailure } from '../../keyring/moving-keys.ts';
import { isOurRow } from '../../keyring/stored-key-jwe.ts';
import type { Tenant } from '../../tenants/record.ts';

export interface ImportDeps {
  readonly keyring: { readonly keys: Pick<KeyringStore, 'find' | 'restore' | 'replace' | 'markCopied'> };
  readonly dataKeys: { checkStoredKey(tenant: Tenant, row: StoredKey): Promise<void> };
  readonly copies: Pick<BranchCopies, 'write'>;
  readonly originKeys: { current(): readonly KeyObject[] };
  /** Returns a tenant, removed ones included; undefined for an unknown id. */
  readonly tenantOfKeys: (tenantId: string) => Promise<Tenant | undefined>;
  /** Records a change of a stored key. */
  readonly onEvent: (event: BranchEvent, key: NewStoredKey) => Promise<void>;
}

/**
 * The outcome of one line:
 * - `added`: the database lacked the key, and the vault opens it
 * - `added-unopened`: the database lacked it and its `mac` is ours, but the vault does not open it
 *   now; a process checks it at its use
 * - `replaced`: the database's JWE does not open, and this one does
 * - `present`: the database has the key
 * - `destroyed`: the database or the import says that it was destroyed
 * - `rejected`: it is damaged, of another deployment, or contradicts its JWE
 */
export type Imported = 'added' | 'added-unopened' | 'replaced' | 'present' | 'destroyed' | 'rejected';

const nameOf = ({ tenantId, id }: Pick<LinedKey, 'tenantId' | 'id'>): string => `${tenantId} ${id}`;

/**
 * Imports exports and copies, and returns the outcome of each line, damaged ones included. The
 * lines are read twice: a key that any of them calls destroyed is not imported.
 * @throws ServiceError `registry-unavailable`, `audit-unavailable`
 */
export async function* importBranchKeys(
  deps: ImportDeps,
  read: () => AsyncIterable<LinedKey | undefined>,
): AsyncGenerator<{ readonly line: LinedKey | undefined; readonly outcome: Imported }> {
  const destroyed = new Set<string>();
  for await (const line of read()) if (line && line.jwe === undefined) destroyed.add(nameOf(line));
  for await (const line of read()) {
    if (line?.jwe === undefined) yield { line, outcome: line ? 'destroyed' : 'rejected' };
    else if (destroyed.has(nameOf(line))) yield { line, outcome: 'destroyed' };
    else yield { line, outcome: await importOne(deps, { ...line, jwe: line.jwe }) };
  }
}

async function importOne(deps: ImportDeps, key: NewStoredKey): Promise<Imported> {
  const { keys } = deps.keyring;
  const [stored] = (await keys.find(key.tenantId, [key.id])).keys;
  if (stored && stored.jwe === undefined) return 'destroyed';
  if (stored?.jwe === key.jwe) return 'present';
  if (!isOurRow(key, deps.originKeys.current())) return 'rejected';
  return stored?.jwe === undefined ? add(deps, key) : repair(deps, stored, stored.jwe, key);
}

async function add(deps: ImportDeps, key: NewStoredKey): Promise<Imported> {
  const check = await checkOf(deps, asStored(key));
  if (check === 'damaged') return 'rejected';
  const restored = await deps.keyring.keys.restore(key);
  if (restored !== 'added') return restored;
  await putBack(deps, key);
  return check === 'opens' ? 'added' : 'added-unopened';
}

/**
 * Replaces a JWE that does not open, because it is damaged or its key version is refused, by one
 * that does. Without the vault's answer nothing is replaced.
 */
async function repair(deps: ImportDeps, stored: StoredKey, before: string, key: NewStoredKey): Promise<Imported> {
  const check = await checkOf(deps, stored);
  if (check === 'opens' || check === 'unknown') return 'present';
  const isSameRow = stored.label === key.label && stored.kind === key.kind;
  if (!isSameRow || (await checkOf(deps, asStored(key))) !== 'opens')
    return check === 'refused' ? 'present' : 'rejected';
  const { vaultKey, jwe, kid } = key;
  const isReplaced = await deps.keyring.keys.replace(stored, before, { vaultKey, jwe, kid, isCopied: false });
  if (!isReplaced) return 'present';
  await putBack(deps, key);
  return 'replaced';
}

async function putBack({ copies, keyring, onEvent }: ImportDeps, key: NewStoredKey): Promise<void> {
  if (await copies.write(key)) await keyring.keys.markCopied([key]);
  await onEvent('branch-put-back', key);
}

/**
 * Returns `refused` if the key version is refused, and `unknown` if the vault did not answer or the
 * tenant is not registered yet.
 */
async function checkOf(deps: ImportDeps, key: StoredKey): Promise<'opens' | 'refused' | 'damaged' | 'unknown'> {
  const tenant = await deps.tenantOfKeys(key.tenantId);
  if (!tenant) return 'unknown';
  try {
    await deps.dataKeys.checkStoredKey(tenant, key);
    return 'opens';
  } catch (error) {
    if (error instanceof RowFailure) {
      const { scope, code } = error.cause;
      return scope === 'key' || code === 'unknown-key' ? 'refused' : 'damaged';
    }
    if (error instanceof ServiceError && error.code !== 'registry-unavailable') return 'unknown';
    throw error;
  }
}

const asStored = (key: NewStoredKey): StoredKey => ({
  ...key,
  createdAt: 0,
  copiedKid: undefined,
  copiedAt: undefined,
  isCopied: false,
});

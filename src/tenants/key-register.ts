import { type FieldError, ServiceError } from '../errors.ts';
import type { RegisteredKey, RetiredKey } from './record.ts';

/** Retired keys still open messages, so their use is `data`. */
type KeyUse = RegisteredKey['use'];

/** A vault key in a tenant's record. */
export interface KeyClaim {
  readonly tenantId: string;
  /** `https://VAULT/keys/NAME` in lower case, because Key Vault's names ignore case. */
  readonly vaultKey: string;
  readonly use: KeyUse;
  /** Its JSON pointer in the record. */
  readonly pointer: string;
}

/**
 * A claim that contradicts the stored history of its key: another tenant had it, or this one for
 * the other use.
 */
export interface KeyConflict {
  readonly claim: KeyClaim;
  readonly code: 'key-taken' | 'key-use';
}

export type ForgetOutcome = 'forgotten' | 'not-remembered' | 'in-record' | 'was-used';

/**
 * Stores permanently which tenant registered a vault key and for which use. This holds after the
 * key left the record or the tenant was removed. Otherwise a tenant's manager could register a
 * former data key for `wrap`, and unwrap would return the data keys of stored messages.
 */
export interface KeyRegister {
  /**
   * Stores the claims and returns the conflicts; with a conflict it stores none.
   * @throws ServiceError `registry-unavailable`
   */
  take(claims: readonly KeyClaim[]): Promise<readonly KeyConflict[]>;
  /**
   * Deletes a key that is in no record and was never used, to correct an operator's mistake.
   * @throws ServiceError `registry-unavailable`
   */
  forget(tenantId: string, vaultKey: string): Promise<ForgetOutcome>;
}

const vaultKeyOf = ({ vaultUrl, name }: RetiredKey): string => `${vaultUrl}/keys/${name}`.toLowerCase();

interface RecordWithKeys {
  readonly id: string;
  readonly keys: Readonly<Record<string, RetiredKey & { readonly use: KeyUse }>>;
  readonly retiredKeys: readonly RetiredKey[];
}

/** Returns every key of a record, retired ones included. */
export function keyClaims({ id, keys, retiredKeys }: RecordWithKeys): KeyClaim[] {
  const claim = (pointer: string, key: RetiredKey, use: KeyUse): KeyClaim => ({
    tenantId: id,
    vaultKey: vaultKeyOf(key),
    use,
    pointer,
  });
  return [
    ...Object.entries(keys).map(([alias, key]) => claim(`/keys/${alias}`, key, key.use)),
    ...retiredKeys.map((key, at) => claim(`/retiredKeys/${at}`, key, 'data')),
  ];
}

/**
 * Checks that the claims are distinct.
 * @throws ServiceError `key-taken` for a key that is in the record twice: with two uses, unwrap
 * would return data keys
 */
export function assertDistinct(claims: readonly KeyClaim[]): void {
  const first = new Map<string, string>();
  const repeated: FieldError[] = [];
  for (const { vaultKey, pointer } of claims) {
    const before = first.getOrInsert(vaultKey, pointer);
    if (before !== pointer) repeated.push({ pointer, detail: `is the same key as ${before}` });
  }
  if (repeated.length > 0) throw keyTaken(repeated);
}

/**
 * Checks that there is no conflict.
 * @throws ServiceError `key-taken` or `key-use`
 */
export function assertNoConflict(conflicts: readonly KeyConflict[]): void {
  const at = (code: KeyConflict['code'], detail: string) =>
    conflicts.filter((conflict) => conflict.code === code).map(({ claim: { pointer } }) => ({ pointer, detail }));
  const taken = at('key-taken', 'is or was registered elsewhere');
  if (taken.length > 0) throw keyTaken(taken);
  const misused = at('key-use', 'is or was registered for the other use');
  if (misused.length > 0) throw otherUse(misused);
}

/**
 * Returns the error. It never names the other tenant: a tenant's manager must not learn about
 * others.
 */
const keyTaken = (errors: readonly FieldError[]): ServiceError =>
  new ServiceError('key-taken', 'A vault key belongs permanently to one tenant and one alias', {
    fix: { owner: 'vendor', action: 'Create and register a new key' },
    errors,
  });

const otherUse = (errors: readonly FieldError[]): ServiceError =>
  new ServiceError('key-use', 'A vault key keeps the use of its first registration: data or wrap', {
    fix: { owner: 'vendor', action: 'Create and register a new key for the other use' },
    errors,
  });

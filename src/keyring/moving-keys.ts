import { timingSafeEqual } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import { undecryptable } from '../format/aes-gcm.ts';
import { kidOf } from '../format/kek-ref.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import { type BranchDataKeys, type BranchDeps, vaultKeyOf } from './branches/branch-deps.ts';
import type { KeyringStore, NewStoredKey, StoredKey } from './keyring-store.ts';
import { openStoredKey, parseStoredJwe, sealStoredKey, storedKeyBytes } from './stored-key-jwe.ts';

/**
 * The outcome of moving one stored key:
 * - `moved`: its JWE names the target version now
 * - `current`: it named that version already, or another process moved or destroyed the row
 * - `not-ours`: no origin key of ours made its `mac`, so it was planted and stays as it is
 */
export type MoveOutcome = 'moved' | 'current' | 'not-ours';

export interface MovingDeps extends Pick<BranchDeps, 'copies' | 'originKeys' | 'kekOf' | 'onEvent' | 'onDisagreement'> {
  readonly store: Pick<KeyringStore, 'replace'>;
}

/** A tenant and its data keys: one opens the old JWE, another one seals the new JWE. */
export interface MovingTenant {
  readonly tenant: Tenant;
  readonly dataKeys: Pick<BranchDataKeys, 'slotFor' | 'forOpening' | 'forStoredKey'>;
}

/** A failure to open the JWE that a row has now; its cause says why. The row stays as it is. */
export class RowFailure extends Error {
  override readonly name = 'RowFailure';
  override readonly cause: ServiceError;

  constructor(cause: ServiceError) {
    super(cause.message);
    this.cause = cause;
  }
}

/**
 * Wraps a stored key by the newest version of a registered key; the key itself stays the same. The
 * new JWE is opened again, compared and copied before it replaces the old one. No row is moved to
 * an older version: the key is read again if this process does not know the row's version.
 * @throws RowFailure, and ServiceError for a failure of the target, the database or the audit
 */
export async function moveKey(
  deps: MovingDeps,
  moving: MovingTenant,
  row: StoredKey,
  key: RegisteredKey,
): Promise<MoveOutcome> {
  const { jwe: before } = row;
  if (before === undefined) return 'current'; // destroyed
  const newest = await moving.dataKeys.slotFor(key).newestAfter(row.kid);
  if (row.kid === kidOf(newest.kek)) return 'current';
  const opened = await openRow(deps, moving, row);
  if (!opened.isOurs) {
    opened.bytes.fill(0);
    return 'not-ours';
  }
  const moved = await rewrapped(deps, moving, row, opened, key);
  if (moved.kid === row.kid) return 'current';
  const isCopied = await deps.copies.write(moved);
  const { vaultKey, jwe, kid } = moved;
  if (!(await deps.store.replace(row, before, { vaultKey, jwe, kid, isCopied }))) return 'current';
  await deps.onEvent('branch-rewrapped', moved);
  return 'moved';
}

/**
 * Checks that a stored key opens and is ours, without using it. A `mac` that is not ours costs no
 * vault call.
 * @throws RowFailure, and ServiceError while the vault cannot answer
 */
export async function checkKey(
  deps: Omit<MovingDeps, 'store' | 'copies' | 'onEvent'>,
  moving: MovingTenant,
  row: StoredKey,
): Promise<void> {
  const opened = await openRow(deps, moving, row);
  opened.bytes.fill(0);
  if (!opened.isOurs) throw new RowFailure(undecryptable());
}

async function openRow(deps: Omit<MovingDeps, 'store' | 'copies' | 'onEvent'>, moving: MovingTenant, row: StoredKey) {
  try {
    const jwe = parseStoredJwe(row);
    const { dataKey, vaultCall } = await moving.dataKeys.forOpening(jwe, deps.kekOf(moving.tenant, jwe));
    return { ...openStoredKey(row, jwe, dataKey, deps.originKeys.current()), policy: vaultCall?.policy };
  } catch (error) {
    if (!(error instanceof ServiceError) || !isOfRow(error)) throw error;
    if (ALTERED.has(error.code)) deps.onDisagreement(row);
    throw new RowFailure(error);
  }
}

const ALTERED: ReadonlySet<string> = new Set([
  'undecryptable',
  'context-mismatch',
  'malformed-ciphertext',
  'wrong-tenant',
]);

/** Returns whether other rows may still open: this one's version is refused, or the row is altered. */
const isOfRow = ({ code, scope }: ServiceError): boolean =>
  scope === 'key' || code === 'unknown-key' || ALTERED.has(code);

/** Returns the row under the target version; overwrites the key's bytes. */
async function rewrapped(
  deps: MovingDeps,
  moving: MovingTenant,
  row: StoredKey,
  { bytes, policy }: { readonly bytes: Buffer; readonly policy: string | undefined },
  key: RegisteredKey,
): Promise<NewStoredKey> {
  try {
    const use = await moving.dataKeys.forStoredKey(key, storedKeyBytes(row.kind));
    const { kek, kid } = use.key.dataKey;
    const isOtherKey = vaultKeyOf(kek) !== row.vaultKey;
    if (isOtherKey && policy !== undefined && policy !== use.vaultCall?.policy) throw otherPolicy(kek.name);
    const jwe = sealStoredKey(use, Buffer.from(bytes), row);
    const moved = { ...row, vaultKey: vaultKeyOf(kek), jwe, kid };
    const again = openStoredKey(moved, parseStoredJwe(moved), use.key.dataKey, deps.originKeys.current());
    const isSame = again.isOurs && timingSafeEqual(again.bytes, bytes);
    again.bytes.fill(0);
    if (!isSame) throw new Error('a rewrapped key does not open to itself');
    return moved;
  } finally {
    bytes.fill(0);
  }
}

/**
 * Returns the refusal of a move that would take data out of the customer's policy: every message of
 * the stored key would be judged by the policy of the target.
 */
const otherPolicy = (name: string): RowFailure =>
  new RowFailure(
    new ServiceError('policy-refused', "The key's policy would no longer hold for the moved data", {
      reason: 'policy-differs',
      fix: {
        owner: 'customer-admin',
        action: `Have the customer put the policy's tags on ${name} too, or remove them from the old key`,
      },
    }),
  );

/**
 * Returns the registered key to whose newest version a row belongs if no other target is given: the
 * one that wraps it. A retired key has no newest version, so its rows stay.
 */
export const ownKeyOf = ({ keys }: Tenant, { vaultKey }: Pick<StoredKey, 'vaultKey'>): RegisteredKey | undefined =>
  Object.values(keys).find((key) => key.use === 'data' && vaultKeyOf(key) === vaultKey);

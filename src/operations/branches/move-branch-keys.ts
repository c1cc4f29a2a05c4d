import type { ServiceError } from '../../errors.ts';
import { type KekRef, kidOf, parseKid } from '../../format/kek-ref.ts';
import { vaultKeyOf } from '../../keyring/branches/branch-deps.ts';
import type { KeyName, KeyringStore, StoredKey } from '../../keyring/keyring-store.ts';
import { type MoveOutcome, ownKeyOf, RowFailure } from '../../keyring/moving-keys.ts';
import type { Clock } from '../../lib/clock.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';

export interface MoveKeysDeps {
  readonly keyring: { readonly keys: Pick<KeyringStore, 'page'> };
  readonly dataKeys: { moveStoredKey(tenant: Tenant, row: StoredKey, key: RegisteredKey): Promise<MoveOutcome> };
  readonly clock: Clock;
}

/** One key that stays under its old version, and the reason. */
interface StayingKey {
  readonly branchId: string;
  readonly keyId: string;
  readonly code: string;
  readonly reason?: string;
}

/** What a move has done so far. */
export interface KeysMoved {
  readonly moved: number;
  /** Keys that were under the target version already. */
  readonly current: number;
  /** Keys that stay as they are: under a retired key, planted, or not opened. */
  readonly staying: number;
  /** The first hundred of them. */
  readonly stayingKeys: readonly StayingKey[];
  /** False if the time ran out: the next call continues. */
  readonly isComplete: boolean;
}

export interface MoveInput {
  readonly tenant: Tenant;
  /** The key to move to; without it, each stored key moves to the newest version of its own key. */
  readonly to?: RegisteredKey | undefined;
  /** The work ends after this time. */
  readonly atMostMs: number;
  /** Runs one move, after checking that the work may continue. */
  readonly run?: (move: (tenant: Tenant) => Promise<MoveOutcome>) => Promise<MoveOutcome>;
}

const PAGE = 200;
const MAX_SHOWN = 100;

/**
 * Moves a tenant's branch and index keys to a key version: their number, and not that of the
 * messages, is the cost of a rotation. It can be repeated: keys that were moved are `current`.
 * @throws ServiceError for a failure that concerns every key
 */
export async function moveBranchKeys(deps: MoveKeysDeps, input: MoveInput): Promise<KeysMoved> {
  const { clock, keyring } = deps;
  const startedAt = clock.monotonicMs();
  const counts = { moved: 0, current: 0, staying: 0 };
  const stayingKeys: StayingKey[] = [];
  for await (const row of storedKeys(keyring.keys, input.tenant.id)) {
    if (clock.monotonicMs() - startedAt >= input.atMostMs) return { ...counts, stayingKeys, isComplete: false };
    const outcome = await moveOne(deps, input, row);
    if (typeof outcome === 'string') counts[outcome] += 1;
    else {
      counts.staying += 1;
      if (stayingKeys.length < MAX_SHOWN) stayingKeys.push(outcome);
    }
  }
  return { ...counts, stayingKeys, isComplete: true };
}

/** A visit of a round lasts at most as long; the next one continues. */
const ROUND_MS = 120_000;

export interface MoveOutdatedDeps extends MoveKeysDeps {
  readonly keyring: { readonly keys: Pick<KeyringStore, 'page' | 'needs'> };
  readonly dataKeys: MoveKeysDeps['dataKeys'] & {
    currentVersion(tenant: Tenant, key: RegisteredKey): Promise<{ readonly kek: KekRef }>;
  };
}

/**
 * Moves a tenant's keys if a rotation left some under an older version of their key. Returns
 * undefined if none is.
 * @throws ServiceError as moveBranchKeys
 */
export async function moveOutdatedKeys(deps: MoveOutdatedDeps, tenant: Tenant): Promise<KeysMoved | undefined> {
  const needs = await deps.keyring.keys.needs(tenant.id);
  for (const { kid } of needs.filter(({ keys }) => keys > 0)) {
    const kek = parseKid(kid);
    const key = kek && ownKeyOf(tenant, { vaultKey: vaultKeyOf(kek) });
    if (!key || kidOf((await deps.dataKeys.currentVersion(tenant, key)).kek) === kid) continue;
    return moveBranchKeys(deps, { tenant, atMostMs: ROUND_MS });
  }
  return undefined;
}

/** Returns a tenant's keys without tombstones, with one page in memory at a time. */
async function* storedKeys(keys: Pick<KeyringStore, 'page'>, tenantId: string): AsyncGenerator<StoredKey> {
  let page: readonly StoredKey[];
  let after: KeyName | undefined;
  do {
    page = (await keys.page(PAGE, after, tenantId)).keys;
    after = page.at(-1);
    yield* page.filter(({ jwe }) => jwe !== undefined);
  } while (page.length === PAGE);
}

async function moveOne(
  { dataKeys }: MoveKeysDeps,
  { tenant, to, run = (move) => move(tenant) }: MoveInput,
  row: StoredKey,
): Promise<'moved' | 'current' | StayingKey> {
  const key = to ?? ownKeyOf(tenant, row);
  if (!key) return staying(row, 'unknown-key', 'key-retired');
  try {
    const outcome = await run((current) => dataKeys.moveStoredKey(current, row, key));
    return outcome === 'not-ours' ? staying(row, 'undecryptable', 'not-ours') : outcome;
  } catch (error) {
    if (error instanceof RowFailure) return staying(row, error.cause.code, error.cause.reason);
    throw error;
  }
}

const staying = ({ id, kid }: StoredKey, code: ServiceError['code'], reason?: string): StayingKey => ({
  branchId: id,
  keyId: kid,
  code,
  ...(reason !== undefined && { reason }),
});

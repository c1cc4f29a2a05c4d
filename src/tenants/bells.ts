import { createHmac, hash, type KeyObject } from 'node:crypto';

/** A ring that had an effect: its tenant, and its number among all rings. */
interface Ring {
  readonly tenantId: string;
  readonly sequence: number;
}

/**
 * The bells of tenants. Only their digests are stored: who reads the database can't ring. Every
 * method rejects with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface BellStore {
  find(tenantId: string): Promise<{ readonly generation: number; readonly digest: string } | undefined>;
  /** Stores the bell of a tenant in place of an earlier one. */
  put(tenantId: string, generation: number, digest: string): Promise<void>;
  /** Returns those digests that are of bells. */
  known(digests: readonly string[]): Promise<readonly string[]>;
  /** Returns the ring, or the reason that it has no effect: no such bell, or it just rang. */
  ring(digest: string): Promise<Ring | 'unknown' | 'quiet'>;
}

const BELL = /^[\w-]{43}$/;

/** Returns the bell of a tenant, 43 characters of base64url. */
export const bellOf = (key: KeyObject, tenantId: string, generation: number): string =>
  createHmac('sha256', key).update(`vaultspan bell 1\n${tenantId}\n${generation}`).digest('base64url');

/** Returns what is stored of a bell; undefined for text that is no bell. */
export const bellDigest = (bell: string): string | undefined =>
  BELL.test(bell) ? hash('sha256', bell, 'base64url') : undefined;

type Bells = Pick<BellStore, 'find' | 'put'>;

/**
 * Returns the bell of a tenant, which gets its first one by the newest of the keys. Undefined if no
 * key gives the bell that it has: that one is not replaced, since the customer may have it.
 */
export async function bellFor(bells: Bells, keys: readonly KeyObject[], tenantId: string): Promise<string | undefined> {
  const known = await bells.find(tenantId);
  if (!known) return newBell(bells, keys, tenantId, 0);
  const made = keys.map((key) => bellOf(key, tenantId, known.generation));
  return made.find((bell) => bellDigest(bell) === known.digest);
}

/** Replaces the bell of a tenant, and returns the new one; undefined without a key. */
export async function renewBell(
  bells: Bells,
  keys: readonly KeyObject[],
  tenantId: string,
): Promise<string | undefined> {
  const known = await bells.find(tenantId);
  return newBell(bells, keys, tenantId, (known?.generation ?? 0) + 1);
}

async function newBell(
  bells: Bells,
  [newest]: readonly KeyObject[],
  tenantId: string,
  generation: number,
): Promise<string | undefined> {
  if (!newest) return undefined;
  const bell = bellOf(newest, tenantId, generation);
  await bells.put(tenantId, generation, bellDigest(bell) ?? '');
  return bell;
}

import type { KeyObject } from 'node:crypto';
import type { KeyringReading, StoredKey } from '../keyring-store.ts';
import { isOurRow } from '../stored-key-jwe.ts';
import type { NotReady } from './branch-counts.ts';
import type { BranchDeps } from './branch-deps.ts';
import { type EpochTimes, epochAfter, epochAt, epochLabel } from './epoch.ts';

/** Rows of the relevant epochs, and the time of reading: `nowMs` is not later than at `at`. */
export interface Reading extends KeyringReading {
  /** Monotonic time after the reading. */
  readonly at: number;
}

/** The conditions under which a row of a reading may seal. */
export interface Conditions extends Pick<BranchDeps, 'settings' | 'copies' | 'boundTo'> {
  /** Key version that new data is sealed under; undefined as long as it is not known. */
  readonly newestKid: string | undefined;
  /** Ids of rows that do not open, or are not ours. */
  readonly refused: ReadonlySet<string>;
}

/**
 * Returns the epoch by the database's clock, which has advanced at least as far as the monotonic
 * one since the reading.
 */
export const epochOf = (reading: Reading, now: number, epochMs: number): EpochTimes =>
  epochAt(reading.nowMs + (now - reading.at), epochMs);

/**
 * Returns the rows that may seal, best first: this epoch's, oldest first, else the previous
 * epoch's.
 */
export function candidates(reading: Reading, now: number, conditions: Conditions): readonly StoredKey[] {
  const { settings, copies, boundTo } = conditions;
  if (conditions.newestKid === undefined || boundTo() !== reading.databaseId) return [];
  const maySeal = (row: StoredKey): boolean =>
    (row.isCopied || !copies.isRequired) && reading.nowMs - row.createdAt >= settings.settleMs;
  const epoch = epochOf(reading, now, settings.epochMs);
  const current = liveRows(reading, epoch, conditions).filter(maySeal);
  return current.length > 0 ? current : liveRows(reading, epochAfter(epoch, -1), conditions).filter(maySeal);
}

/** Returns the rows of an epoch under the newest version that open, whether they may seal or not. */
export function liveRows(reading: Reading, epoch: EpochTimes, { newestKid, refused }: Conditions): StoredKey[] {
  const label = epochLabel(epoch);
  return reading.keys.filter(
    (row) => row.label === label && row.jwe !== undefined && row.kid === newestKid && !refused.has(row.id),
  );
}

/** Returns the reason that no row may seal. */
export function whyNotReady(reading: Reading | undefined, now: number, conditions: Conditions): NotReady {
  const { settings, copies, boundTo } = conditions;
  if (!reading) return 'unreachable';
  if (boundTo() !== reading.databaseId) return 'unbound';
  const [row] = liveRows(reading, epochOf(reading, now, settings.epochMs), conditions);
  if (!row) return 'none';
  if (reading.nowMs - row.createdAt < settings.settleMs) return 'settling';
  return copies.isRequired && !row.isCopied ? 'uncopied' : 'none';
}

/** Returns the rows of this epoch and the next that have no copy. */
export function uncopiedRows(reading: Reading, now: number, epochMs: number): StoredKey[] {
  const epoch = epochOf(reading, now, epochMs);
  const labels = [epochLabel(epoch), epochLabel(epochAfter(epoch, 1))];
  return reading.keys.filter(({ label, jwe, isCopied }) => labels.includes(label) && jwe !== undefined && !isCopied);
}

/**
 * Returns the rows of these labels that the database lost between two readings. A row may never
 * have been opened: one without our `mac` was planted, and removed again.
 */
export const lostRows = (
  before: Reading,
  after: KeyringReading,
  labels: readonly string[],
  originKeys: readonly KeyObject[],
): StoredKey[] =>
  before.keys.filter((row) => {
    const { id, label, jwe } = row;
    if (jwe === undefined || !labels.includes(label) || after.keys.some((other) => other.id === id)) return false;
    return isOurRow({ ...row, jwe }, originKeys);
  });

import { createHash } from 'node:crypto';

/** A period since 1970, UTC: an epoch begins at each multiple of its length. */
export interface EpochTimes {
  /** Start, ms since 1970. */
  readonly startMs: number;
  readonly lengthMs: number;
}

/** Returns the epoch that contains a time. */
export const epochAt = (nowMs: number, lengthMs: number): EpochTimes => ({
  startMs: Math.floor(nowMs / lengthMs) * lengthMs,
  lengthMs,
});

/** Returns the epoch `steps` later; negative steps are earlier. */
export const epochAfter = ({ startMs, lengthMs }: EpochTimes, steps: number): EpochTimes => ({
  startMs: startMs + steps * lengthMs,
  lengthMs,
});

/** Returns the start as RFC 3339 in UTC, in whole seconds: `2026-11-26T00:00:00Z`. */
export const epochLabel = ({ startMs }: EpochTimes): string => new Date(startMs).toISOString().replace('.000Z', 'Z');

/** Returns the part (0 to 1) of its epoch that has passed. */
export const partOfEpoch = ({ startMs, lengthMs }: EpochTimes, nowMs: number): number => (nowMs - startMs) / lengthMs;

/**
 * The next epoch's branch is made in the first quarter of the epoch before, and opened in the last.
 */
const QUARTER = 1 / 4;
/** Part of the quarter by which processes differ for one key, so that one of them makes its branch. */
const OWN_PART = 0.05;

/** Part of the last quarter in which nothing begins, so that slow vaults have answered by its end. */
const LAST_PART = 0.05;

/**
 * Returns the place of a registered key among all others, 0 to 1: the same in each process. With a
 * time of its own in each of many processes, the first of them would make every branch at once.
 */
export const placeInQuarter = (tenantId: string, vaultKey: string): number =>
  createHash('sha256').update(`${tenantId} ${vaultKey}`).digest().readUInt32BE() / 2 ** 32;

/** Returns the part of its epoch after which a process makes a key's next branch. */
export const makingPart = (place: number, random: number): number =>
  QUARTER * ((1 - OWN_PART) * place + OWN_PART * random);

/** Returns the part of its epoch after which a process opens the next branch. */
export const openingPart = (random: number): number => 1 - QUARTER * (LAST_PART + (1 - LAST_PART) * random);

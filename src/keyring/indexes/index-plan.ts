import type { StoredKey } from '../keyring-store.ts';
import { type IndexVersion, parseIndexLabel } from './index-version.ts';

/** A stored index key with the version that its label names. */
export interface VersionRow extends IndexVersion {
  readonly row: StoredKey;
}

/** The stored versions of one index, and which of them calls use. */
export interface IndexPlan {
  /** Versions that are searched, the oldest first. */
  readonly live: readonly VersionRow[];
  /** The version that new tokens are made with; undefined until one may write. */
  readonly writing: VersionRow | undefined;
  /** The highest version that was ever made; 0 without one. */
  readonly highest: number;
  /**
   * The first version without a row. The numbers are consecutive and a retired version leaves a
   * tombstone, so the database lost it, and a search would silently be incomplete.
   */
  readonly missing: number | undefined;
  /** Whether this is the one database whose keys may write. */
  readonly isBound: boolean;
}

/** The conditions under which a version writes. */
export interface WritingRule {
  /**
   * The time in which every process must have learnt of a new version. Until then it is searched
   * only: a row that is written under it would not be found by the others.
   */
  readonly settleMs: number;
  readonly isCopyRequired: boolean;
  readonly isBound: boolean;
  /**
   * Returns whether this process has seen the row settled before. A row that was restored has a new
   * age, and continues to write.
   */
  readonly wasSettled: (id: string) => boolean;
}

/** Returns the versions of every index of a tenant by name, each in the order of `planOf`. */
export function versionsByName(rows: readonly StoredKey[]): ReadonlyMap<string, readonly VersionRow[]> {
  const versions = rows.flatMap((row) => {
    const version = parseIndexLabel(row.label);
    return version ? { ...version, row } : [];
  });
  return Map.groupBy(versions.sort(inOrder), ({ name }) => name);
}

/** Returns the plan of one index from its versions, in their order. */
export function planOf(versions: readonly VersionRow[], nowMs: number, rule: WritingRule): IndexPlan {
  const live = versions.filter(({ row }) => row.jwe !== undefined);
  const ready = live.filter(({ row }) => mayWrite(row, nowMs, rule));
  return {
    live,
    writing: ready.find(({ version }) => version === ready.at(-1)?.version),
    highest: versions.at(-1)?.version ?? 0,
    missing: firstGap(versions),
    isBound: rule.isBound,
  };
}

/** Two processes may have made one version: the first of them writes, and both are searched. */
const inOrder = (a: VersionRow, b: VersionRow): number =>
  a.version - b.version || a.row.createdAt - b.row.createdAt || (a.row.id < b.row.id ? -1 : 1);

/** A copy under any key version is enough: the index key in it is the same. */
const mayWrite = (row: StoredKey, nowMs: number, { settleMs, isCopyRequired, wasSettled }: WritingRule): boolean =>
  (nowMs - row.createdAt >= settleMs || wasSettled(row.id)) && (row.copiedKid !== undefined || !isCopyRequired);

function firstGap(versions: readonly VersionRow[]): number | undefined {
  let expected = 1;
  for (const { version } of versions) {
    if (version > expected) return expected;
    if (version === expected) expected += 1;
  }
  return undefined;
}

/**
 * Returns the time from which no process writes an older version than this one, by the database's
 * clock. A process that cannot reach the database keeps an old plan for a while.
 */
export const writesAloneFrom = ({ row }: VersionRow, settleMs: number): number =>
  Math.max(row.createdAt + settleMs, row.copiedAt ?? 0) + settleMs;

import type { Appended, LogHead, NewEntry } from './log-table.ts';
import { leafHash } from './tree.ts';

/** An entry before it has its place in its tenant's log. */
export interface PendingEntry extends Pick<NewEntry, 'tenantId' | 'chain' | 'chainSequence' | 'at'> {
  readonly line: string;
}

/** Returns the entries with their numbers and hashes, and the heads after them. */
export function append(heads: ReadonlyMap<string, LogHead>, pending: readonly PendingEntry[]): Omit<Appended, 'dueAt'> {
  const sizes = new Map<string, number>();
  const entries: NewEntry[] = [];
  for (const { line, ...entry } of pending) {
    const { tenantId } = entry;
    const sequence = sizes.get(tenantId) ?? heads.get(tenantId)?.size ?? 0;
    const own = entry.chainSequence === undefined ? { line } : {};
    entries.push({ ...entry, ...own, sequence, leaf: leafHash(line) });
    sizes.set(tenantId, sequence + 1);
  }
  return { entries, heads: [...sizes].map(([tenantId, size]) => ({ tenantId, size })) };
}

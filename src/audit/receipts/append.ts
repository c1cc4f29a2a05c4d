import type { Appended, LogHead, NewEntry } from './log-table.ts';
import { addLeaf, leafHash } from './tree.ts';

/** An entry before it has its place in its tenant's log. */
export interface PendingEntry extends Pick<NewEntry, 'tenantId' | 'chain' | 'chainSequence' | 'at'> {
  readonly line: string;
}

/** Returns the entries with their numbers and hashes, and the heads after them. */
export function append(heads: ReadonlyMap<string, LogHead>, pending: readonly PendingEntry[]): Omit<Appended, 'dueAt'> {
  const grown = new Map<string, { size: number; readonly edge: Buffer[] }>();
  const entries: NewEntry[] = [];
  const subtrees: Appended['subtrees'][number][] = [];
  for (const { line, ...entry } of pending) {
    const { tenantId } = entry;
    const head = grown.getOrInsertComputed(tenantId, () => {
      const { size = 0, edge = [] } = heads.get(tenantId) ?? {};
      return { size, edge: [...edge] };
    });
    const leaf = leafHash(line);
    const own = entry.chainSequence === undefined ? { line } : {};
    entries.push({ ...entry, ...own, sequence: head.size, leaf });
    for (const subtree of addLeaf(head.edge, head.size, leaf)) subtrees.push({ ...subtree, tenantId });
    head.size += 1;
  }
  return { entries, subtrees, heads: [...grown].map(([tenantId, head]) => ({ tenantId, ...head })) };
}

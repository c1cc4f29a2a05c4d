import type { AuditTable } from '../audit-table.ts';
import type { MacRules } from './mac-check.ts';
import { type ChainSource, type VerifiedSource, verifyChains } from './verify-chains.ts';

type Chains = Pick<AuditTable, 'nextChain' | 'following'>;

const ROWS_AT_ONCE = 1_000;

/**
 * Checks every chain of the database, the oldest first. `onChain` is called with each id before its
 * records are read.
 * @throws ServiceError `registry-unavailable`; the signal's reason
 */
export async function verifyTable(
  table: Chains,
  signal: AbortSignal,
  macs?: MacRules,
  onChain: (id: string) => void = () => undefined,
): Promise<VerifiedSource[]> {
  const chains: { readonly id: string; readonly at: number }[] = [];
  for (let first = await table.nextChain(''); first; first = await table.nextChain(first.chain)) {
    signal.throwIfAborted();
    chains.push({ id: first.chain, at: first.at });
  }
  const sorted = chains.sort((a, b) => a.at - b.at);
  return verifyChains(
    sorted.map(({ id }) => sourceOf(table, id, signal, onChain)),
    ['retention'],
    macs,
  );
}

function sourceOf(table: Chains, id: string, signal: AbortSignal, onChain: (id: string) => void): ChainSource {
  async function* lines() {
    onChain(id);
    let last = -1;
    for (;;) {
      signal.throwIfAborted();
      const rows = await table.following(id, last, ROWS_AT_ONCE);
      for (const { line } of rows) yield `${line}\n`;
      last = rows.at(-1)?.sequence ?? last;
      if (rows.length < ROWS_AT_ONCE) return;
    }
  }
  return { parts: [{ name: id, fits: ({ chain }) => chain === id, lines }] };
}

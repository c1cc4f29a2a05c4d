import type { PendingEntry } from './append.ts';
import type { Gap } from './log-table.ts';

/**
 * Returns the entry that tells one tenant of records which a chain lacks. Some of them may have
 * been the tenant's: nobody can know, since each chain has the records of many tenants.
 */
export const lostEntry = (tenantId: string, { chain, first, last }: Gap, at: number): PendingEntry => ({
  tenantId,
  chain,
  at,
  line: JSON.stringify({ type: 'lost', tenantId, chain, first, last, at: new Date(at).toISOString() }),
});

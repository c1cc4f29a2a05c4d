import type { Transaction } from 'kysely';
import type { Check, Claims, FinishedCheck } from '../../tenants/checks.ts';
import { checkColumns } from '../list-columns.ts';
import { countChecks } from '../lists/tenant-counts.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import { hastenVisit, lastCheckText, watchOnly } from './check-rows.ts';

/** Older changes of a tenant's state are deleted. */
const MAX_CHANGES_KEPT = 100;

/** Databases bound the number of a statement's parameters. */
const MAX_IDS = 5_000;

/** Only `finish` writes these texts. */
export const parseCheck = (text: string): Check => JSON.parse(text) as Check;

export const openClaims = ({ read, write, dialect }: SqlDatabase): Claims => ({
  claimDue: (now, owner, leaseMs, limit) =>
    write(async (trx) => {
      // In a WITH clause: PostgreSQL may run a locking subquery of an IN more than once, and would
      // then claim more than the limit.
      const due = trx
        .selectFrom('tenant_checks')
        .select('tenant_id')
        .where('is_watched', '=', 1)
        .where('due_at', '<=', now)
        .orderBy('due_at')
        .limit(limit);
      const claimed = await trx
        .with('due', () => dialect.skipLocked(due))
        .updateTable('tenant_checks')
        .set({ lease_owner: owner, due_at: now + leaseMs })
        .where('tenant_id', 'in', (eb) => eb.selectFrom('due').select('due.tenant_id'))
        .returning('tenant_id')
        .execute();
      return claimed.map(({ tenant_id }) => tenant_id);
    }),

  finish: (tenantId, owner, check, nextDueAt) => write((trx) => finish(trx, tenantId, owner, check, nextDueAt)),

  watch: (tenantIds, now) => write((trx) => watchOnly(trx, tenantIds, now)),

  hasten: (tenantId, now) => write((trx) => hastenVisit(trx, tenantId, now)),

  countChecks: () => read(countChecks),

  countOverdue: async (dueBefore) => {
    const row = await read((db) =>
      db
        .selectFrom('tenant_checks')
        .select(({ fn }) => fn.countAll().as('overdue'))
        .where('is_watched', '=', 1)
        .where('due_at', '<', dueBefore)
        .executeTakeFirstOrThrow(),
    );
    return Number(row.overdue);
  },

  lastCheck: async (tenantId) => {
    const text = (await read((db) => lastCheckText(db, [tenantId]))).get(tenantId);
    return text === undefined ? undefined : parseCheck(text);
  },

  lastChecks: async (tenantIds) => {
    const found = new Map<string, Check>();
    for (let start = 0; start < tenantIds.length; start += MAX_IDS) {
      const ids = tenantIds.slice(start, start + MAX_IDS);
      for (const [tenantId, text] of await read((db) => lastCheckText(db, ids))) found.set(tenantId, parseCheck(text));
    }
    return found;
  },
});

async function finish(
  trx: Transaction<Schema>,
  tenantId: string,
  owner: string,
  check: Check,
  nextDueAt: number,
): Promise<FinishedCheck | undefined> {
  const text = JSON.stringify(check);
  // Released first: from here on the row is locked, and the values read below stay true.
  const claimed = await trx
    .updateTable('tenant_checks')
    .set({ lease_owner: null, due_at: nextDueAt })
    .where('tenant_id', '=', tenantId)
    .where('lease_owner', '=', owner)
    .returning(['last_check', 'changes'])
    .executeTakeFirst();
  if (!claimed) return undefined;
  const previous = claimed.last_check === null ? undefined : parseCheck(claimed.last_check);
  const isChanged = previous?.state !== check.state;
  const changes = claimed.changes + (isChanged ? 1 : 0);
  await trx
    .updateTable('tenant_checks')
    .set({ last_check: text, changes, ...checkColumns(check) })
    .where('tenant_id', '=', tenantId)
    .execute();
  if (isChanged) await keepChange(trx, tenantId, changes, text);
  return previous ? { isChanged, previous } : { isChanged };
}

async function keepChange(trx: Transaction<Schema>, tenantId: string, change: number, check: string): Promise<void> {
  await trx.insertInto('check_history').values({ tenant_id: tenantId, change, check }).execute();
  await trx
    .deleteFrom('check_history')
    .where('tenant_id', '=', tenantId)
    .where('change', '<=', change - MAX_CHANGES_KEPT)
    .execute();
}

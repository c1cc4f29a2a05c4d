import { createHash } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import type {
  LeaseLimit,
  LeaseLimits,
  LeaseStore,
  NewLease,
  NewOpenings,
  OverdueLease,
} from '../../tenants/lease-store.ts';
import type { SqlDialect } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import { reportLease } from './lease-reports.ts';

/** A report may come this long after the end of its lease. */
const GRACE_MS = 5 * 60_000;
/** A late report, or a repeated one, still finds its lease for this long. */
const KEPT_MS = 24 * 60 * 60_000;
const ROWS_AT_ONCE = 1_000;

type Table = 'leases' | 'lease_openings';
type Db = Kysely<Schema>;

/** Returns the accounts of leases in the registry's database. */
export const leaseTable = ({ read, write, dialect }: SqlDatabase): LeaseStore => ({
  add: (lease, limits) =>
    write(async (trx) => {
      const nowMs = await nowOf(trx, dialect);
      const holder = holderOf(lease.principal);
      const limit = await limitOf(trx, 'leases', { tenantId: lease.tenantId, holder, nowMs, adds: 1 }, limits);
      if (limit) return limit;
      await trx
        .insertInto('leases')
        .values(leaseRow(lease, holder, nowMs))
        .execute();
      return undefined;
    }),

  discard: ({ tenantId, id, principal }) =>
    write(async (trx) => {
      await trx
        .deleteFrom('leases')
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .where('holder', '=', holderOf(principal))
        .execute();
    }),

  addOpenings: ({ tenantId, principal, leaves }, limits) =>
    write(async (trx) => {
      const nowMs = await nowOf(trx, dialect);
      const holder = holderOf(principal);
      const rows = openingRows({ tenantId, principal, leaves }, holder, nowMs);
      if (rows.length === 0) return undefined;
      const limit = await limitOf(trx, 'lease_openings', { tenantId, holder, nowMs, adds: rows.length }, limits);
      if (limit) return limit;
      await trx
        .insertInto('lease_openings')
        .values(rows)
        .onConflict((conflict) =>
          conflict.columns(['tenant_id', 'holder', 'kid']).doUpdateSet({
            key_id: sql`excluded.key_id`,
            ends_at: sql`excluded.ends_at`,
            due_at: sql`excluded.due_at`,
          }),
        )
        .execute();
      return undefined;
    }),

  report: (name, usage) =>
    write(async (trx) =>
      reportLease(trx, { ...name, holder: holderOf(name.principal) }, usage, await nowOf(trx, dialect)),
    ),

  claimOverdue: (limit, claimMs) =>
    write(async (trx) => {
      const nowMs = await nowOf(trx, dialect);
      const claimedUntil = nowMs + claimMs;
      return [
        ...(await claimLeases(trx, limit, nowMs, claimedUntil)),
        ...(await claimOpenings(trx, limit, nowMs, claimedUntil)),
      ];
    }),

  settle: (overdue) => write((trx) => settle(trx, overdue)),

  deleteOld: async () => {
    const before = (await read((db) => nowOf(db, dialect))) - KEPT_MS;
    for (const table of ['leases', 'lease_openings'] as const) {
      let deleted = ROWS_AT_ONCE;
      while (deleted === ROWS_AT_ONCE) deleted = await write((trx) => deleteEnded(trx, table, before));
    }
  },
});

/** Returns the fixed-size name of a principal, whose text may have any length. */
const holderOf = (principal: string): string => createHash('sha256').update(principal).digest('base64url');

const nowOf = async (db: Db, { nowMs }: SqlDialect): Promise<number> =>
  (await db.selectNoFrom(nowMs.as('now')).executeTakeFirstOrThrow()).now;

const leaseRow = (
  { tenantId, id, principal, kid, keyId, maxMessages, lastsMs }: NewLease,
  holder: string,
  nowMs: number,
) => ({
  tenant_id: tenantId,
  id,
  holder,
  principal: JSON.stringify(principal),
  kid,
  key_id: keyId,
  max_messages: maxMessages,
  ...timesOf(nowMs, lastsMs),
  sealed: 0,
  opened: '{}',
  bytes: 0,
});

/** Returns one row for each leaf, in one order: two transactions that wait for each other deadlock. */
function openingRows({ tenantId, principal, leaves }: NewOpenings, holder: string, nowMs: number) {
  const byKid = new Map(leaves.map((leaf) => [leaf.kid, leaf]));
  return [...byKid.values()]
    .sort((a, b) => (a.kid < b.kid ? -1 : 1))
    .map(({ kid, keyId, lastsMs }) => ({
      tenant_id: tenantId,
      holder,
      kid,
      principal: JSON.stringify(principal),
      key_id: keyId,
      ...timesOf(nowMs, lastsMs),
    }));
}

function timesOf(nowMs: number, lastsMs: number) {
  const ends_at = Math.ceil(nowMs + lastsMs);
  return { ends_at, due_at: ends_at + GRACE_MS };
}

interface Addition {
  readonly tenantId: string;
  readonly holder: string;
  readonly nowMs: number;
  readonly adds: number;
}

/** Counts what has not ended, finished or not: a holder that reports early gets no more. */
async function limitOf(
  trx: Transaction<Schema>,
  table: Table,
  { tenantId, holder, nowMs, adds }: Addition,
  { perCaller, perTenant }: LeaseLimits,
): Promise<LeaseLimit | undefined> {
  const { all, own } = await trx
    .selectFrom(table)
    .select([sql<number>`count(*)`.as('all'), sql<number>`count(case when holder = ${holder} then 1 end)`.as('own')])
    .where('tenant_id', '=', tenantId)
    .where('ends_at', '>', nowMs)
    .executeTakeFirstOrThrow();
  if (Number(own) + adds > perCaller) return 'caller';
  return Number(all) + adds > perTenant ? 'tenant' : undefined;
}

/**
 * Claims rows by moving their due time. The time is compared again in the update itself, so that two
 * processes never claim one row.
 */
async function claimLeases(
  trx: Transaction<Schema>,
  limit: number,
  nowMs: number,
  claimedUntil: number,
): Promise<OverdueLease[]> {
  const rows = await trx
    .with('due', (db) =>
      db.selectFrom('leases').select(['tenant_id', 'id']).where('due_at', '<=', nowMs).orderBy('due_at').limit(limit),
    )
    .updateTable('leases')
    .set({ due_at: claimedUntil })
    .where('due_at', '<=', nowMs)
    .where(isDue('id'))
    .returning(['tenant_id', 'id', 'principal', 'kid', 'key_id', 'max_messages', 'sealed'])
    .execute();
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    principal: principalOf(row.principal),
    keyId: row.key_id,
    lease: { id: row.id, maxMessages: row.max_messages, sealed: row.sealed },
    kids: [row.kid],
    claimedUntil,
  }));
}

/** Claims opened leaves and returns them together for each caller and key version. */
async function claimOpenings(
  trx: Transaction<Schema>,
  limit: number,
  nowMs: number,
  claimedUntil: number,
): Promise<OverdueLease[]> {
  const rows = await trx
    .with('due', (db) =>
      db
        .selectFrom('lease_openings')
        .select(['tenant_id', 'holder', 'kid'])
        .where('due_at', '<=', nowMs)
        .orderBy('due_at')
        .limit(limit),
    )
    .updateTable('lease_openings')
    .set({ due_at: claimedUntil })
    .where('due_at', '<=', nowMs)
    .where(isDue('holder', 'kid'))
    .returning(['tenant_id', 'principal', 'kid', 'key_id'])
    .execute();
  const groups = Map.groupBy(rows, (row) => `${row.tenant_id} ${row.key_id} ${row.principal}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const { tenant_id: tenantId, principal, key_id: keyId } = first;
    const kids = group.map(({ kid }) => kid);
    return [{ tenantId, principal: principalOf(principal), keyId, kids, claimedUntil }];
  });
}

const isDue = (...columns: readonly ('id' | 'holder' | 'kid')[]) => {
  const names = sql.join(['tenant_id', ...columns].map((column) => sql.ref(column)));
  return sql<boolean>`(${names}) in (select ${names} from due)`;
};

/** This program's own text. */
const principalOf = (text: string): string => JSON.parse(text) as string;

/** Ends a claim, unless the row was reported, or its leaf opened again, in the meantime. */
async function settle(trx: Transaction<Schema>, overdue: OverdueLease): Promise<void> {
  const { tenantId, principal, lease, kids, claimedUntil } = overdue;
  const settled = { due_at: null };
  if (lease) {
    await trx
      .updateTable('leases')
      .set(settled)
      .where('tenant_id', '=', tenantId)
      .where('id', '=', lease.id)
      .where('due_at', '=', claimedUntil)
      .execute();
    return;
  }
  await trx
    .updateTable('lease_openings')
    .set(settled)
    .where('tenant_id', '=', tenantId)
    .where('holder', '=', holderOf(principal))
    .where('kid', 'in', [...kids])
    .where('due_at', '=', claimedUntil)
    .execute();
}

/** Deletes some rows that ended before a time and were settled; returns their number. */
async function deleteEnded(trx: Transaction<Schema>, table: Table, before: number): Promise<number> {
  const columns = table === 'leases' ? (['id'] as const) : (['holder', 'kid'] as const);
  const names = sql.join(['tenant_id', ...columns].map((column) => sql.ref(column)));
  const { numDeletedRows } = await trx
    .deleteFrom(table)
    .where(
      sql<boolean>`(${names}) in (select ${names} from ${sql.table(table)} where due_at is null and ends_at < ${before} limit ${ROWS_AT_ONCE})`,
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

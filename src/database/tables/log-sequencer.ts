import { type Kysely, sql, type Transaction } from 'kysely';
import type { SequencerTable, SequencerTransaction } from '../../audit/receipts/log-table.ts';
import type { RowColumns, SqlDialect } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

/** Any number other than those of the other locks. */
const SEQUENCER_LOCK = 7_355_610;

const IDS = { id: 'text' } as const;
const ENTRIES = {
  tenant_id: 'text',
  sequence: 'bigint',
  leaf: 'text',
  chain: 'text',
  chain_sequence: 'bigint',
  at: 'bigint',
  line: 'text',
} as const satisfies RowColumns;
const HEADS = { tenant_id: 'text', size: 'bigint', due_at: 'bigint' } as const satisfies RowColumns;
const RANGES = { chain: 'text', first: 'bigint', last: 'bigint' } as const satisfies RowColumns;

const hasNews = (db: Kysely<Schema>) => db.selectFrom('audit_chains').whereRef('stored', '>', 'sequenced');

const base64 = (bytes: Buffer): string => bytes.toString('base64');
export const sequencerTable = ({ read, write, dialect }: SqlDatabase): SequencerTable => ({
  hasNews: async () => (await read((db) => hasNews(db).select('chain').limit(1).executeTakeFirst())) !== undefined,

  sequence: (step) =>
    write(async (trx) =>
      (await dialect.tryLock(trx, SEQUENCER_LOCK)) ? step(transactionOf(trx, dialect)) : undefined,
    ),

  // One look-up of the index for each chain, not one for each record.
  findChains: async () => {
    await write((trx) =>
      sql`insert into audit_chains (chain, stored, sequenced)
        with recursive found(chain) as (
          select min(chain) from audit_records
          union all
          select (select min(chain) from audit_records where chain > found.chain) from found where found.chain is not null
        )
        select chain, (select max(sequence) from audit_records as r where r.chain = found.chain), -1
        from found where chain is not null
        on conflict (chain) do update set stored = excluded.stored where audit_chains.stored < excluded.stored`.execute(
        trx,
      ),
    );
  },
});

function transactionOf(trx: Transaction<Schema>, dialect: SqlDialect): SequencerTransaction {
  const ids = (list: readonly string[]) =>
    sql`(select id from ${dialect.rows(
      IDS,
      list.map((id) => ({ id })),
    )})`;
  return {
    news: async (limit) => {
      const rows = await hasNews(trx)
        .selectAll()
        .orderBy(sql`coalesce(waiting_since, 0)`)
        .orderBy('chain')
        .limit(limit)
        .execute();
      return rows.map(({ waiting_since, ...row }) => ({ ...row, waitingSince: waiting_since ?? undefined }));
    },

    records: async (chain, after, limit) => {
      const rows = await trx
        .selectFrom('audit_records')
        .select(['chain', 'sequence', 'at', 'tenant_id', 'line'])
        .where('chain', '=', chain)
        .where('sequence', '>', after)
        .orderBy('sequence')
        .limit(limit)
        .execute();
      return rows.map(recordOf);
    },

    heads: async (tenantIds) => {
      const { rows } = await sql<{ tenant_id: string; size: number }>`
        select tenant_id, size from log_heads where tenant_id in ${ids(tenantIds)}`.execute(trx);
      return rows.map(({ tenant_id, size }) => ({ tenantId: tenant_id, size }));
    },

    append: async ({ entries, heads, dueAt }) => {
      const entryRows = entries.map(({ tenantId, sequence, leaf, chain, chainSequence, at, line }) => ({
        tenant_id: tenantId,
        sequence,
        leaf: base64(leaf),
        chain,
        chain_sequence: chainSequence ?? null,
        at,
        line: line ?? null,
      }));
      await sql`insert into log_entries (tenant_id, sequence, leaf, chain, chain_sequence, at, line)
        select tenant_id, sequence, leaf, chain, chain_sequence, at, line
        from ${dialect.rows(ENTRIES, entryRows)}`.execute(trx);
      const headRows = heads.map(({ tenantId, size }) => ({ tenant_id: tenantId, size, due_at: dueAt }));
      await sql`insert into log_heads (tenant_id, size, edge_size, due_at, signed_size)
        select tenant_id, size, 0, due_at, 0 from ${dialect.rows(HEADS, headRows)} where true
        on conflict (tenant_id) do update set size = excluded.size,
          due_at = coalesce(log_heads.due_at, excluded.due_at)`.execute(trx);
    },

    appendRanges: async (ranges, dueAt) => {
      if (dialect.name === 'SQLite') return undefined; // it has no hash function
      const count = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
      // A scan of the index for each range, whatever the server's statistics say: a join could read the whole table.
      // The order of the numbers and the leaf hash are those of `append.ts` and `tree.ts`. A leaf is made before the
      // records are sorted, so that their lines are not.
      const { rows } = await sql<{ found: number | string; entries: number | string }>`with read as materialized (
          select r.chain, r.sequence, r.at, r.tenant_id, r.leaf
          from (select chain, first, last from ${dialect.rows(RANGES, ranges)}) as w cross join lateral (
            select chain, sequence, at, tenant_id,
              case when tenant_id is not null
                then encode(sha256('\\x00'::bytea || convert_to(line, 'UTF8')), 'base64') end as leaf
            from audit_records as a
            where a.chain = w.chain and a.sequence between w.first and w.last
            order by a.sequence limit w.last - w.first + 1) as r),
        new as (
          select tenant_id, chain, sequence, at, leaf,
            row_number() over (partition by tenant_id order by at, chain, sequence) as place
          from read where tenant_id is not null and (select count(*) from read) = ${count}),
        added as (
          insert into log_entries (tenant_id, sequence, leaf, chain, chain_sequence, at)
          select n.tenant_id, coalesce(h.size, 0) + n.place - 1, n.leaf, n.chain, n.sequence, n.at
          from new as n left join log_heads as h on h.tenant_id = n.tenant_id
          returning tenant_id),
        grown as (
          insert into log_heads (tenant_id, size, edge_size, due_at, signed_size)
          select tenant_id, count(*), 0, cast(${dueAt} as bigint), 0 from added group by tenant_id
          on conflict (tenant_id) do update set size = log_heads.size + excluded.size,
            due_at = coalesce(log_heads.due_at, excluded.due_at))
        select (select count(*) from read) as found, (select count(*) from added) as entries`.execute(trx);
      if (Number(rows[0]?.found) !== count) return undefined;
      return Number(rows[0]?.entries);
    },

    advance: async ({ chain, sequenced }, change) => {
      const { numUpdatedRows } = await trx
        .updateTable('audit_chains')
        .set({ sequenced: change.sequenced, waiting_since: change.waitingSince ?? null })
        .where('chain', '=', chain)
        .where('sequenced', '=', sequenced)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows !== 1n) throw new Error('another process has sequenced the records of this chain');
    },

    addGap: async ({ chain, first, last }, notedAt) => {
      await trx.insertInto('log_gaps').values({ chain, first, last, filled: 0, noted_at: notedAt }).execute();
    },

    gaps: async (chains) => {
      if (chains.length === 0) return [];
      return trx
        .selectFrom('log_gaps')
        .select(['chain', 'first', 'last'])
        .where('chain', 'in', [...chains])
        .execute();
    },

    tenantsOf: async (chain, among) => {
      if (among?.length === 0) return [];
      const { rows } = await sql<{ tenant_id: string }>`
        select distinct tenant_id from log_entries where chain = ${chain}
        ${among ? sql`and tenant_id in ${ids(among)}` : sql``}`.execute(trx);
      return rows.map(({ tenant_id }) => tenant_id);
    },

    lateRecords: async (limit) => {
      const { rows } = await sql<RecordRow>`
        select r.chain, r.sequence, r.at, r.tenant_id, r.line
        from log_gaps as g join audit_records as r on r.chain = g.chain and r.sequence between g.first and g.last
        where g.filled <= g.last - g.first and r.tenant_id is not null
          and not exists (select 1 from log_entries as e where e.chain = r.chain and e.chain_sequence = r.sequence)
        order by r.chain, r.sequence limit ${limit}`.execute(trx);
      // A gap that is full needs no further search.
      await sql`update log_gaps set filled = (
          select count(*) from audit_records as r
          where r.chain = log_gaps.chain and r.sequence between log_gaps.first and log_gaps.last)
        where filled <= last - first and ${rows.length} < ${limit}`.execute(trx);
      return rows.map(recordOf);
    },
  };
}

interface RecordRow {
  readonly chain: string;
  readonly sequence: number;
  readonly at: number;
  readonly tenant_id: string | null;
  readonly line: string;
}

const recordOf = ({ tenant_id, ...row }: RecordRow) => ({ ...row, tenantId: tenant_id ?? undefined });

import { type Selectable, sql } from 'kysely';
import type { Anchor, CheckpointTable, DueTrees } from '../../audit/receipts/checkpoint-table.ts';
import type { RowColumns, SqlDialect } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

const GROWN = { tenant_id: 'text', edge: 'text', edge_size: 'bigint' } as const satisfies RowColumns;
const SUBTREES = { tenant_id: 'text', level: 'bigint', place: 'bigint', root: 'text' } as const satisfies RowColumns;
const SIGNED = { tenant_id: 'text', size: 'bigint', checkpoint: 'text' } as const satisfies RowColumns;

type AnchorRow = Pick<Selectable<Schema['log_anchor']>, 'generation' | 'token' | 'pending'>;

/** Logs and entries of one transaction: few enough that hashing them delays no request by much. */
const GROWN_LOGS = 500;
const GROWN_ENTRIES = 2_000;

/** Any number other than those of the other locks. */
const GROW_LOCK = 7_355_614;

const ANCHOR = ['generation', 'token', 'pending'] as const;

export const checkpointTable = ({ read, write, dialect }: SqlDatabase): CheckpointTable => ({
  nextDue: async () => {
    const row = await read((db) =>
      db
        .selectFrom('log_heads')
        .select('due_at')
        .where('due_at', 'is not', null)
        .orderBy('due_at')
        .limit(1)
        .executeTakeFirst(),
    );
    return row?.due_at ?? undefined;
  },

  anchor: async () =>
    anchorOf(await read((db) => db.selectFrom('log_anchor').select(ANCHOR).executeTakeFirstOrThrow())),

  lease: async (owner, leaseMs) => {
    const row = await write((trx) =>
      trx
        .updateTable('log_anchor')
        .set({ lease_owner: owner, lease_until: sql<number>`${dialect.nowMs} + ${leaseMs}` })
        .where((where) =>
          where.or([where('lease_owner', '=', owner), where('lease_until', '<', sql<number>`${dialect.nowMs}`)]),
        )
        .returning(ANCHOR)
        .executeTakeFirst(),
    );
    return row && anchorOf(row);
  },

  grow: (due, grow) =>
    write(async (trx) => {
      // A process whose lease has ended may be at it still.
      if (!(await dialect.tryLock(trx, GROW_LOCK))) return false;
      const { rows } = await dueLeaves(dialect, due).execute(trx);
      if (rows.length === 0) return false;
      const grown = rows.map(({ tenant_id, edge, first, end, leaves }) => {
        const added = hashesOf(leaves ?? '');
        if (added.length !== end - first) throw new Error('entries of a transparency log are missing');
        return grow({ tenantId: tenant_id, size: first, edge: hashesOf(edge) }, added);
      });
      const trees = grown.map(({ tenantId, size, edge }) => {
        return { tenant_id: tenantId, edge_size: size, edge: edge.map(base64).join(' ') };
      });
      await sql`update log_heads set edge = rows.edge, edge_size = rows.edge_size
        from ${dialect.rows(GROWN, trees)} where rows.tenant_id = log_heads.tenant_id`.execute(trx);
      const subtrees = grown.flatMap(({ tenantId, subtrees: full }) =>
        full.map(({ level, place, root }) => ({ tenant_id: tenantId, level, place, root: base64(root) })),
      );
      if (subtrees.length > 0)
        await sql`insert into log_subtrees (tenant_id, level, place, root)
          select tenant_id, level, place, root from ${dialect.rows(SUBTREES, subtrees)}`.execute(trx);
      return true;
    }),

  claim: (owner, pending, { before, limit }) =>
    write(async (trx) => {
      // Heads are read after the mark is written: a copy of the database that has the mark has them.
      const { numUpdatedRows } = await trx
        .updateTable('log_anchor')
        .set({ pending })
        .where('lease_owner', '=', owner)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows !== 1n) return undefined;
      const rows = await trx
        .selectFrom('log_heads')
        .select(['tenant_id', 'edge', 'edge_size'])
        .where('due_at', '<=', before)
        .where('edge_size', '>', 0) // a log that became due since the trees grew has its turn later
        .orderBy('due_at')
        .orderBy('tenant_id')
        .limit(limit)
        .execute();
      return rows.map(({ tenant_id, edge, edge_size }) => {
        return { tenantId: tenant_id, size: edge_size, edge: hashesOf(edge) };
      });
    }),

  confirm: (owner, pending) =>
    write(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('log_anchor')
        .set({ token: pending, pending: null })
        .where('pending', '=', pending)
        .where('lease_owner', '=', owner)
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    }),

  publish: (owner, token, heads, { dueAt, leaseMs }) =>
    write(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('log_anchor')
        .set({ lease_until: sql<number>`${dialect.nowMs} + ${leaseMs}` })
        .where('token', '=', token)
        .where('lease_owner', '=', owner)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows !== 1n) return false;
      const rows = heads.map(({ tenantId, ...head }) => ({ ...head, tenant_id: tenantId }));
      await sql`update log_heads set checkpoint = rows.checkpoint, signed_size = rows.size,
          due_at = case when log_heads.size > rows.size then cast(${dueAt} as bigint) end
        from ${dialect.rows(SIGNED, rows)} where rows.tenant_id = log_heads.tenant_id`.execute(trx);
      return true;
    }),

  restart: ({ token, generation }, now) =>
    write(async (trx) => {
      await trx.updateTable('log_anchor').set({ token, generation, pending: null }).execute();
      await trx.updateTable('log_heads').set({ due_at: now }).execute();
    }),
});

interface DueLeaves {
  readonly tenant_id: string;
  readonly edge: string;
  /** Number of the first leaf that the tree lacks. */
  readonly first: number;
  /** Number after the last leaf that it gets now. */
  readonly end: number;
  readonly leaves: string | null;
}

/** Returns the trees that lack entries, with leaves, as many as one transaction takes. */
function dueLeaves(dialect: SqlDialect, { before, limit }: DueTrees) {
  const joined = sql.raw(dialect.name === 'SQLite' ? 'group_concat' : 'string_agg');
  return sql<DueLeaves>`
    with due as (
      select tenant_id, edge, edge_size, size, due_at from log_heads
      where due_at <= ${before} order by due_at, tenant_id limit ${limit}),
    short as (
      select tenant_id, edge, edge_size, size,
        sum(size - edge_size) over (order by due_at, tenant_id) - (size - edge_size) as earlier
      from due where edge_size < size order by due_at, tenant_id limit ${GROWN_LOGS}),
    taken as (
      select tenant_id, edge, edge_size as first,
        cast(case when earlier + size - edge_size < ${GROWN_ENTRIES} then size
          else edge_size + ${GROWN_ENTRIES} - earlier end as bigint) as "end"
      from short where earlier < ${GROWN_ENTRIES})
    select tenant_id, edge, first, "end",
      (select ${joined}(e.leaf, ' ' order by e.sequence) from log_entries as e
        where e.tenant_id = taken.tenant_id and e.sequence >= taken.first and e.sequence < taken."end") as leaves
    from taken`;
}

const base64 = (bytes: Buffer): string => bytes.toString('base64');
const hashesOf = (text: string): Buffer[] =>
  text === '' ? [] : text.split(' ').map((hash) => Buffer.from(hash, 'base64'));

const anchorOf = ({ generation, token, pending }: AnchorRow): Anchor => ({
  generation,
  token: token ?? undefined,
  pending: pending ?? undefined,
});

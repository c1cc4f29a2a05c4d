import { type Selectable, sql } from 'kysely';
import type { Anchor, CheckpointTable } from '../../audit/receipts/checkpoint-table.ts';
import type { RowColumns } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

const GROWN = { tenant_id: 'text', edge: 'text', edge_size: 'bigint' } as const satisfies RowColumns;
const SUBTREES = { tenant_id: 'text', level: 'bigint', place: 'bigint', root: 'text' } as const satisfies RowColumns;
const LEAVES = { tenant_id: 'text', first: 'bigint', last: 'bigint' } as const satisfies RowColumns;
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

  grow: (before, grow) =>
    write(async (trx) => {
      // A process whose lease has ended may be at it still.
      if (!(await dialect.tryLock(trx, GROW_LOCK))) return false;
      const heads = await trx
        .selectFrom('log_heads')
        .select(['tenant_id', 'size', 'edge', 'edge_size'])
        .where('due_at', '<=', before)
        .whereRef('edge_size', '<', 'size')
        .orderBy('due_at')
        .limit(GROWN_LOGS)
        .execute();
      if (heads.length === 0) return false;
      let room = GROWN_ENTRIES;
      const some = heads.flatMap(({ tenant_id, size, edge, edge_size }) => {
        const last = Math.min(size, edge_size + room) - 1;
        room -= last + 1 - edge_size;
        return last < edge_size ? [] : { tenant_id, edge, first: edge_size, last };
      });
      const joined = dialect.name === 'SQLite' ? sql.raw('group_concat') : sql.raw('string_agg');
      const { rows } = await sql<{ tenant_id: string; leaves: string | null }>`select tenant_id,
          (select ${joined}(e.leaf, ' ' order by e.sequence) from log_entries as e
            where e.tenant_id = rows.tenant_id and e.sequence between rows.first and rows.last) as leaves
        from ${dialect.rows(LEAVES, some)}`.execute(trx);
      const leaves = new Map(rows.map((row) => [row.tenant_id, hashesOf(row.leaves ?? '')]));
      const grown = some.map(({ tenant_id, edge, first, last }) => {
        const added = leaves.get(tenant_id) ?? [];
        if (added.length !== last + 1 - first) throw new Error('entries of a transparency log are missing');
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

const base64 = (bytes: Buffer): string => bytes.toString('base64');
const hashesOf = (text: string): Buffer[] =>
  text === '' ? [] : text.split(' ').map((hash) => Buffer.from(hash, 'base64'));

const anchorOf = ({ generation, token, pending }: AnchorRow): Anchor => ({
  generation,
  token: token ?? undefined,
  pending: pending ?? undefined,
});

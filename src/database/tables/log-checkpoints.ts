import { type Selectable, sql } from 'kysely';
import type { Anchor, CheckpointTable } from '../../audit/receipts/checkpoint-table.ts';
import type { RowColumns } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import { edgeOf } from './log-sequencer.ts';

const SIGNED = { tenant_id: 'text', size: 'bigint', checkpoint: 'text' } as const satisfies RowColumns;

type AnchorRow = Pick<Selectable<Schema['log_anchor']>, 'generation' | 'token' | 'pending'>;

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
        .select(['tenant_id', 'size', 'edge'])
        .where('due_at', '<=', before)
        .orderBy('due_at')
        .limit(limit)
        .execute();
      return rows.map(({ tenant_id, size, edge }) => ({ tenantId: tenant_id, size, edge: edgeOf(edge) }));
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

const anchorOf = ({ generation, token, pending }: AnchorRow): Anchor => ({
  generation,
  token: token ?? undefined,
  pending: pending ?? undefined,
});

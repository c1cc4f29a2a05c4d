import { sql } from 'kysely';
import type { LogReader } from '../../audit/receipts/log-reader.ts';
import type { SqlDatabase } from '../open-database.ts';

export const logReader = ({ read }: SqlDatabase): LogReader => ({
  signed: async (tenantId) => {
    const row = await read((db) =>
      db
        .selectFrom('log_heads')
        .select(['checkpoint', 'signed_size'])
        .where('tenant_id', '=', tenantId)
        .executeTakeFirst(),
    );
    const { checkpoint = null, signed_size: size = 0 } = row ?? {};
    return checkpoint === null ? undefined : { checkpoint, size };
  },

  leaves: async (tenantId, from, to) => {
    const rows = await read((db) =>
      db
        .selectFrom('log_entries')
        .select('leaf')
        .where('tenant_id', '=', tenantId)
        .where('sequence', '>=', from)
        .where('sequence', '<', to)
        .orderBy('sequence')
        .execute(),
    );
    return rows.map(({ leaf }) => Buffer.from(leaf, 'base64'));
  },

  subtrees: async (tenantId, level, from, to) => {
    const rows = await read((db) =>
      db
        .selectFrom('log_subtrees')
        .select('root')
        .where('tenant_id', '=', tenantId)
        .where('level', '=', level)
        .where('place', '>=', from)
        .where('place', '<', to)
        .orderBy('place')
        .execute(),
    );
    return rows.map(({ root }) => Buffer.from(root, 'base64'));
  },

  lines: async (tenantId, from, to) => {
    const { rows } = await read((db) =>
      sql<{ line: string | null }>`select coalesce(e.line, r.line) as line
        from log_entries as e
        left join audit_records as r on r.chain = e.chain and r.sequence = e.chain_sequence and r.at = e.at
        where e.tenant_id = ${tenantId} and e.sequence >= ${from} and e.sequence < ${to}
        order by e.sequence`.execute(db),
    );
    return rows.map(({ line }) => line ?? undefined);
  },
});

import { sql } from 'kysely';
import type { DeliveryTable } from '../../audit/siem/siem-table.ts';
import type { SqlDatabase } from '../open-database.ts';

/** How far the records of each chain are in the vendor's collector. */
export interface OtlpCursors extends DeliveryTable {
  /** When deliveries begin for the first time, the records that are stored already are left out. */
  begin(): Promise<void>;
  /** Returns the age of the oldest record that waits, and the chains whose deliveries fail. */
  lag(now: number): Promise<{ readonly seconds: number; readonly failing: number }>;
}

export const otlpCursors = ({ read, write }: SqlDatabase): OtlpCursors => ({
  begin: async () => {
    await write((trx) =>
      sql`insert into otlp_cursors (chain, next, due_at, failures)
        select chain, stored + 1, 0, 0 from audit_chains where not exists (select 1 from otlp_cursors)
        on conflict (chain) do nothing`.execute(trx),
    );
  },

  claim: (owner, now, leaseMs, limit) =>
    write(async (trx) => {
      const { rows } = await sql<{ source: string; next: number; failures: number; size: number }>`
        insert into otlp_cursors (chain, next, due_at, lease_owner, failures)
        select a.chain, 0, cast(${now + leaseMs} as bigint), ${owner}, 0
        from audit_chains as a left join otlp_cursors as c on c.chain = a.chain
        where a.stored >= coalesce(c.next, 0) and coalesce(c.due_at, 0) <= ${now}
        order by coalesce(c.due_at, 0), a.chain limit ${limit}
        on conflict (chain) do update set lease_owner = excluded.lease_owner, due_at = excluded.due_at
          where otlp_cursors.due_at <= ${now}
        returning chain as source, next, failures,
          (select stored + 1 from audit_chains as a where a.chain = otlp_cursors.chain) as size`.execute(trx);
      return rows;
    }),

  advance: async (chain, owner, { next, until, at }, leaseUntil) => {
    const { numUpdatedRows } = await write((trx) =>
      trx
        .updateTable('otlp_cursors')
        .set({ next, delivered_at: at, due_at: leaseUntil, ...(until !== undefined && { delivered_until: until }) })
        .where('chain', '=', chain)
        .where('lease_owner', '=', owner)
        .executeTakeFirstOrThrow(),
    );
    return numUpdatedRows === 1n;
  },

  release: async (chain, owner, dueAt, trouble) => {
    const failures = trouble ? sql<number>`failures + 1` : 0;
    await write((trx) =>
      trx
        .updateTable('otlp_cursors')
        .set({ lease_owner: null, due_at: dueAt, failures })
        .where('chain', '=', chain)
        .where('lease_owner', '=', owner)
        .execute(),
    );
  },

  /** A number without a record is one that is past its retention, or was never stored. */
  lines: async (chain, from, to) => {
    const rows = await read((db) =>
      db
        .selectFrom('audit_records')
        .select(['sequence', 'line'])
        .where('chain', '=', chain)
        .where('sequence', '>=', from)
        .where('sequence', '<', to)
        .execute(),
    );
    const found = new Map(rows.map(({ sequence, line }) => [sequence, line]));
    return Array.from({ length: to - from }, (_, at) => found.get(from + at));
  },

  lag: async (now) => {
    const { rows } = await read((db) =>
      sql<{ oldest: number | null; failing: number | string }>`select
        (select min(r.at) from audit_chains as a
          left join otlp_cursors as c on c.chain = a.chain
          join audit_records as r on r.chain = a.chain and r.sequence = coalesce(c.next, 0)
          where a.stored >= coalesce(c.next, 0)) as oldest,
        (select count(*) from otlp_cursors where failures > 0) as failing`.execute(db),
    );
    const { oldest = null, failing = 0 } = rows[0] ?? {};
    return { seconds: oldest === null ? 0 : Math.max(0, now - oldest) / 1_000, failing: Number(failing) };
  },
});

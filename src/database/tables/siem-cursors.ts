import { type Kysely, sql } from 'kysely';
import type { SiemCursor, SiemTable, SiemTrouble } from '../../audit/siem/siem-table.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import { logReader } from './log-reader.ts';

const CHUNK = 500;

export const siemCursors = (database: SqlDatabase): SiemTable => {
  const { read, write, dialect } = database;
  const { lines } = logReader(database);
  const chunks = (ids: readonly string[]) =>
    Array.from({ length: Math.ceil(ids.length / CHUNK) }, (_, at) => ids.slice(at * CHUNK, (at + 1) * CHUNK));
  return {
    lines,

    follow: async (tenantIds, now) => {
      for (const ids of chunks(tenantIds)) {
        const rows = dialect.rows(
          { id: 'text' },
          ids.map((id) => ({ id })),
        );
        await write((trx) =>
          sql`insert into siem_cursors (tenant_id, is_followed, next, due_at, failures)
            select ids.id, 1, coalesce(h.size, 0), cast(${now} as bigint), 0
            from (select id from ${rows}) as ids left join log_heads as h on h.tenant_id = ids.id where true
            on conflict (tenant_id) do update set is_followed = 1,
              due_at = case when siem_cursors.lease_owner is null then excluded.due_at else siem_cursors.due_at end`.execute(
            trx,
          ),
        );
      }
    },

    unfollow: async (tenantIds) => {
      for (const ids of chunks(tenantIds)) {
        await write((trx) =>
          trx
            .updateTable('siem_cursors')
            .set({ is_followed: 0 })
            .where('tenant_id', 'in', [...ids])
            .execute(),
        );
      }
    },

    claim: (owner, now, leaseMs, limit) =>
      write(async (trx) => {
        const due = trx
          .selectFrom('siem_cursors')
          .select('tenant_id')
          .where('is_followed', '=', 1)
          .where('due_at', '<=', now)
          .where(({ exists, selectFrom }) =>
            exists(
              selectFrom('log_heads as h')
                .select('h.size')
                .whereRef('h.tenant_id', '=', 'siem_cursors.tenant_id')
                .whereRef('h.size', '>', 'siem_cursors.next'),
            ),
          )
          .orderBy('due_at')
          .limit(limit);
        const claimed = await trx
          .with('due', () => dialect.skipLocked(due))
          .updateTable('siem_cursors')
          .set({ lease_owner: owner, due_at: now + leaseMs })
          .where('tenant_id', 'in', (eb) => eb.selectFrom('due').select('due.tenant_id'))
          .returning(['tenant_id', 'next', 'failures'])
          .execute();
        if (claimed.length === 0) return [];
        const ids = claimed.map(({ tenant_id }) => tenant_id);
        const heads = await trx
          .selectFrom('log_heads')
          .select(['tenant_id', 'size'])
          .where('tenant_id', 'in', ids)
          .execute();
        const sizes = new Map(heads.map(({ tenant_id, size }) => [tenant_id, size]));
        return claimed.map(({ tenant_id, next, failures }) => {
          return { source: tenant_id, next, failures, size: sizes.get(tenant_id) ?? next };
        });
      }),

    advance: async (tenantId, owner, { next, until, at }, leaseUntil) => {
      const { numUpdatedRows } = await write((trx) =>
        trx
          .updateTable('siem_cursors')
          .set({ next, delivered_at: at, due_at: leaseUntil, ...(until !== undefined && { delivered_until: until }) })
          .where('tenant_id', '=', tenantId)
          .where('lease_owner', '=', owner)
          .executeTakeFirstOrThrow(),
      );
      return numUpdatedRows === 1n;
    },

    release: async (tenantId, owner, dueAt, trouble, now) => {
      const failed = {
        failures: sql<number>`failures + 1`,
        trouble: JSON.stringify(trouble),
        trouble_since: sql<number>`coalesce(trouble_since, ${now})`,
      };
      const succeeded = { failures: 0, trouble: null, trouble_since: null };
      await write((trx) =>
        trx
          .updateTable('siem_cursors')
          .set({ lease_owner: null, due_at: dueAt, ...(trouble ? failed : succeeded) })
          .where('tenant_id', '=', tenantId)
          .where('lease_owner', '=', owner)
          .execute(),
      );
    },

    find: async (tenantId) => {
      const row = await read((db) =>
        db
          .selectFrom('siem_cursors as c')
          .leftJoin('log_heads as h', 'h.tenant_id', 'c.tenant_id')
          .select(['c.next', 'c.delivered_until', 'c.delivered_at', 'c.trouble', 'c.trouble_since', 'h.size'])
          .where('c.tenant_id', '=', tenantId)
          .executeTakeFirst(),
      );
      return row && cursorOf(row);
    },

    lag: async (now) => {
      const { oldest } = await read((db) =>
        withNews(db)
          .innerJoin('log_entries as e', (join) =>
            join.onRef('e.tenant_id', '=', 'c.tenant_id').onRef('e.sequence', '=', 'c.next'),
          )
          .select(sql<number>`coalesce(min(e.at), cast(${now} as bigint))`.as('oldest'))
          .executeTakeFirstOrThrow(),
      );
      const { failing } = await read((db) =>
        db
          .selectFrom('siem_cursors')
          .select(({ fn }) => fn.countAll().as('failing'))
          .where('is_followed', '=', 1)
          .where('failures', '>', 0)
          .executeTakeFirstOrThrow(),
      );
      return { seconds: Math.max(0, now - oldest) / 1_000, failing: Number(failing) };
    },
  };
};

const withNews = (db: Kysely<Schema>) =>
  db
    .selectFrom('siem_cursors as c')
    .innerJoin('log_heads as h', 'h.tenant_id', 'c.tenant_id')
    .where('c.is_followed', '=', 1)
    .whereRef('h.size', '>', 'c.next');

interface CursorRow {
  readonly next: number;
  readonly size: number | null;
  readonly delivered_until: number | null;
  readonly delivered_at: number | null;
  readonly trouble: string | null;
  readonly trouble_since: number | null;
}

const cursorOf = ({ next, size, delivered_until, delivered_at, trouble, trouble_since }: CursorRow): SiemCursor => ({
  deliveredUntil: delivered_until ?? undefined,
  deliveredAt: delivered_at ?? undefined,
  waiting: Math.max(0, (size ?? next) - next),
  trouble: trouble === null ? undefined : (JSON.parse(trouble) as SiemTrouble), // only `release` writes it
  troubleSince: trouble_since ?? undefined,
});

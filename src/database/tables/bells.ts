import { type Kysely, sql, type Transaction } from 'kysely';
import type { BellStore } from '../../tenants/bells.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import type { ChangeSource } from './change-follower.ts';

/** A bell that rang has no further effect for so long. */
const QUIET_MS = 10_000;

export interface BellTableOptions {
  readonly database: SqlDatabase;
  /** Name of this process in notifications. */
  readonly origin: string;
}

/** Returns the store of bells. Times are the database's. */
export const bellTable = ({ database, origin }: BellTableOptions): BellStore => ({
  async find(tenantId) {
    return database.read((db) =>
      db.selectFrom('bells').select(['generation', 'digest']).where('tenant_id', '=', tenantId).executeTakeFirst(),
    );
  },

  async put(tenantId, generation, digest) {
    const bell = { generation, digest };
    await database.write((trx) =>
      trx
        .insertInto('bells')
        .values({ tenant_id: tenantId, ...bell, rung_at: 0, change_sequence: 0 })
        .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet(bell))
        .execute(),
    );
  },

  async ring(digest) {
    const { nowMs } = database.dialect;
    const found = await database.read((db) =>
      db
        .selectFrom('bells')
        .select(['tenant_id', sql<number>`${nowMs} - rung_at`.as('quiet_ms')])
        .where('digest', '=', digest)
        .executeTakeFirst(),
    );
    if (!found) return 'unknown';
    if (found.quiet_ms < QUIET_MS) return 'quiet';
    return database.write(async (trx) => {
      const sequence = await nextSequence(trx);
      const rung = await trx
        .updateTable('bells')
        .set({ rung_at: nowMs, change_sequence: sequence })
        .where('digest', '=', digest)
        .where('rung_at', '<=', sql<number>`${nowMs} - ${sql.lit(QUIET_MS)}`)
        .returning('tenant_id')
        .executeTakeFirst();
      if (!rung) return 'quiet';
      const tenantId = rung.tenant_id;
      await database.dialect.notify(trx, 'bells', { origin, sequence, tenantId });
      return { tenantId, sequence };
    });
  },
});

/** The bells that rang, by tenant. Another database than before has rung none. */
export const bellChanges: ChangeSource = {
  channel: 'bells',
  lastSequence,
  async changesAfter(db, since) {
    const sequence = await lastSequence(db);
    if (sequence <= since) return { sequence, tenantIds: [] };
    const rows = await db.selectFrom('bells').select('tenant_id').where('change_sequence', '>', since).execute();
    return { sequence, tenantIds: rows.map(({ tenant_id }) => tenant_id) };
  },
};

async function lastSequence(db: Kysely<Schema>): Promise<number> {
  const { sequence } = await db.selectFrom('bell_changes').select('sequence').executeTakeFirstOrThrow();
  return sequence;
}

async function nextSequence(trx: Transaction<Schema>): Promise<number> {
  const { sequence } = await trx
    .updateTable('bell_changes')
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .returning('sequence')
    .executeTakeFirstOrThrow();
  return sequence;
}

import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { BellStore } from '../../tenants/bells.ts';
import type { Drill, DrillMode, DrillRecord, DrillState, DrillStore, Sighting } from '../../tenants/drills.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import type { ChangeSource } from './change-follower.ts';

/** A bell that rang has no further effect for so long. */
const QUIET_MS = 10_000;

export interface RevocationTableOptions {
  readonly database: SqlDatabase;
  /** Name of this process in notifications. */
  readonly origin: string;
}

/** Returns the store of bells. Times are the database's. */
export const bellTable = ({ database, origin }: RevocationTableOptions): BellStore => ({
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

  async known(digests) {
    const rows = await database.read((db) =>
      db
        .selectFrom('bells')
        .select('digest')
        .where('digest', 'in', [...digests])
        .execute(),
    );
    return rows.map(({ digest }) => digest);
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
      const sequence = await nextSequence(trx, 'bell_changes');
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
  lastSequence: (db) => lastSequence(db, 'bell_changes'),
  async changesAfter(db, since) {
    const sequence = await lastSequence(db, 'bell_changes');
    if (sequence <= since) return { sequence, tenantIds: [] };
    const rows = await db.selectFrom('bells').select('tenant_id').where('change_sequence', '>', since).execute();
    return { sequence, tenantIds: rows.map(({ tenant_id }) => tenant_id) };
  },
};

/** Drills of all tenants at one time: each costs every process a call of a vault a second. */
const MAX_RUNNING = 20;
const KEPT_PER_TENANT = 20;

/** Returns the store of drills. Times are the database's. */
export function drillTable({ database, origin }: RevocationTableOptions): DrillStore {
  const { nowMs, notify } = database.dialect;
  return {
    start: (drill) =>
      database.write(async (trx) => {
        const { tenantId, id, boundMs, signInBoundMs, startedBy, maxMs } = drill;
        const sequence = await nextSequence(trx, 'drill_changes'); // serialises the starts
        const { count } = await countRunning(trx);
        if (count >= MAX_RUNNING) return 'too-many';
        const started = await trx
          .insertInto('drills')
          .values({
            tenant_id: tenantId,
            id,
            state: 'running',
            bound_ms: boundMs,
            sign_in_bound_ms: signInBoundMs,
            started_by: startedBy,
            started_at: nowMs,
            ends_at: sql<number>`${nowMs} + ${sql.lit(maxMs)}`,
            ended_at: null,
            report: null,
            change_sequence: sequence,
          })
          .onConflict((conflict) => conflict.doNothing())
          .returning('id')
          .executeTakeFirst();
        if (!started) return 'running';
        await deleteOldest(trx, tenantId);
        await notify(trx, 'drills', { origin, sequence, tenantId });
        return sequence;
      }),

    find: (tenantId, id) =>
      database.read(async (db) => {
        const row = await db
          .selectFrom('drills')
          .selectAll()
          .select(nowMs.as('now'))
          .where('tenant_id', '=', tenantId)
          .where('id', '=', id)
          .executeTakeFirst();
        if (!row) return undefined;
        const sightings = await sightingsOf(db, tenantId).where('drill_id', '=', id).execute();
        return recordOf(row, sightings);
      }),

    list: (tenantId) =>
      database.read(async (db) => {
        const rows = await db
          .selectFrom('drills')
          .selectAll()
          .select(nowMs.as('now'))
          .where('tenant_id', '=', tenantId)
          .orderBy('change_sequence', 'desc')
          .execute();
        if (rows.length === 0) return [];
        const sightings = Map.groupBy(await sightingsOf(db, tenantId).execute(), ({ drill_id }) => drill_id);
        return rows.map((row) => recordOf(row, sightings.get(row.id) ?? []));
      }),

    running: (tenantId) =>
      database.read(async (db) => {
        let query = db.selectFrom('drills').selectAll().where('state', '=', 'running');
        if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId);
        return (await query.execute()).map(drillOf);
      }),

    see: ({ tenantId, id }, seen, at) =>
      database.write(async (trx) => {
        const drill = await trx
          .selectFrom('drills')
          .select('state')
          .where('tenant_id', '=', tenantId)
          .where('id', '=', id)
          .executeTakeFirst();
        if (drill?.state !== 'running') return false;
        await trx
          .insertInto('drill_sightings')
          .values({ ...rowOf(seen), tenant_id: tenantId, drill_id: id, from_at: at, to_at: at })
          .onConflict((conflict) =>
            conflict.columns(['tenant_id', 'drill_id', 'process', 'mode', 'number']).doUpdateSet({ to_at: at }),
          )
          .execute();
        return true;
      }),

    end: ({ tenantId, id }, state) =>
      database.write(async (trx) => {
        const ended = await trx
          .updateTable('drills')
          .set({ state, ended_at: nowMs })
          .where('tenant_id', '=', tenantId)
          .where('id', '=', id)
          .where('state', '=', 'running')
          .returning('id')
          .executeTakeFirst();
        return ended !== undefined;
      }),

    keepReport: ({ tenantId, id }, report) =>
      database.write(async (trx) => {
        const { report: kept } = await trx
          .updateTable('drills')
          .set((eb) => ({ report: eb.fn.coalesce('report', sql<string>`${report}`) }))
          .where('tenant_id', '=', tenantId)
          .where('id', '=', id)
          .where('state', '<>', 'running')
          .returning('report')
          .executeTakeFirstOrThrow();
        return kept ?? report;
      }),
  };
}

/** The drills that started, by tenant. */
export const drillChanges: ChangeSource = {
  channel: 'drills',
  lastSequence: (db) => lastSequence(db, 'drill_changes'),
  async changesAfter(db, since) {
    const sequence = await lastSequence(db, 'drill_changes');
    if (sequence <= since) return { sequence, tenantIds: [] };
    const rows = await db.selectFrom('drills').select('tenant_id').where('change_sequence', '>', since).execute();
    return { sequence, tenantIds: rows.map(({ tenant_id }) => tenant_id) };
  },
};

const countRunning = (trx: Transaction<Schema>) =>
  trx
    .selectFrom('drills')
    .select((eb) => eb.cast<number>(eb.fn.countAll(), 'integer').as('count'))
    .where('state', '=', 'running')
    .executeTakeFirstOrThrow();

async function deleteOldest(trx: Transaction<Schema>, tenantId: string): Promise<void> {
  const old = await trx
    .selectFrom('drills')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .orderBy('change_sequence', 'desc')
    .limit(KEPT_PER_TENANT)
    .offset(KEPT_PER_TENANT)
    .execute();
  const ids = old.map(({ id }) => id);
  if (ids.length === 0) return;
  await trx.deleteFrom('drill_sightings').where('tenant_id', '=', tenantId).where('drill_id', 'in', ids).execute();
  await trx.deleteFrom('drills').where('tenant_id', '=', tenantId).where('id', 'in', ids).execute();
}

/** Returns a query of a tenant's sightings by process, mode and number. */
const sightingsOf = (db: Kysely<Schema>, tenantId: string) =>
  db
    .selectFrom('drill_sightings')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .orderBy('process')
    .orderBy('mode', 'desc')
    .orderBy('number');

const recordOf = (
  row: Selectable<Schema['drills']> & { readonly now: number },
  sightings: readonly Selectable<Schema['drill_sightings']>[],
): DrillRecord => ({
  drill: drillOf(row),
  sightings: sightings.map(sightingOf),
  now: row.now,
  report: row.report ?? undefined,
});

const drillOf = (row: Selectable<Schema['drills']>): Drill => ({
  tenantId: row.tenant_id,
  id: row.id,
  state: row.state as DrillState, // written by this file alone
  boundMs: row.bound_ms,
  signInBoundMs: row.sign_in_bound_ms,
  startedBy: row.started_by,
  startedAt: row.started_at,
  endsAt: row.ends_at,
  endedAt: row.ended_at ?? undefined,
});

const sightingOf = (row: Selectable<Schema['drill_sightings']>): Sighting => ({
  process: row.process,
  mode: row.mode as DrillMode,
  number: row.number,
  outcome: row.outcome as Sighting['outcome'],
  code: row.code ?? undefined,
  reason: row.reason ?? undefined,
  scope: (row.scope ?? undefined) as Sighting['scope'],
  keyId: row.key_id ?? undefined,
  vaultRequestId: row.vault_request_id ?? undefined,
  vaultClientRequestId: row.vault_client_request_id ?? undefined,
  auditRequestId: row.audit_request_id,
  from: row.from_at,
  to: row.to_at,
});

const rowOf = (seen: Omit<Sighting, 'from' | 'to'>) => ({
  process: seen.process,
  mode: seen.mode,
  number: seen.number,
  outcome: seen.outcome,
  code: seen.code ?? null,
  reason: seen.reason ?? null,
  scope: seen.scope ?? null,
  key_id: seen.keyId ?? null,
  vault_request_id: seen.vaultRequestId ?? null,
  vault_client_request_id: seen.vaultClientRequestId ?? null,
  audit_request_id: seen.auditRequestId,
});

type Sequence = 'bell_changes' | 'drill_changes';

async function lastSequence(db: Kysely<Schema>, table: Sequence): Promise<number> {
  const { sequence } = await db.selectFrom(table).select('sequence').executeTakeFirstOrThrow();
  return sequence;
}

async function nextSequence(trx: Transaction<Schema>, table: Sequence): Promise<number> {
  const { sequence } = await trx
    .updateTable(table)
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .returning('sequence')
    .executeTakeFirstOrThrow();
  return sequence;
}

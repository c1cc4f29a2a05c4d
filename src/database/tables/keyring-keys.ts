import { createHash, randomUUID } from 'node:crypto';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type {
  KeyKind,
  KeyName,
  KeyringReading,
  KeyringStore,
  NewStoredKey,
  StoredKey,
} from '../../keyring/keyring-store.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import type { ChangeSource, Changes } from './change-follower.ts';

type Row = Pick<
  Selectable<Schema['keyring_keys']>,
  | 'tenant_id'
  | 'id'
  | 'kind'
  | 'vault_key'
  | 'label'
  | 'jwe'
  | 'kid'
  | 'created_at'
  | 'copied_at'
  | 'copied_digest'
  | 'copied_kid'
>;
type Write = Transaction<Schema>;

const COLUMNS = [
  'tenant_id',
  'id',
  'kind',
  'vault_key',
  'label',
  'jwe',
  'kid',
  'created_at',
  'copied_at',
  'copied_digest',
  'copied_kid',
] as const;
/** More changes than this are not looked up individually. */
const MAX_CHANGES = 1_000;

export interface KeyringKeysOptions {
  readonly database: SqlDatabase;
  /** This process's name in notifications. */
  readonly origin?: string;
  /** Called with each change that this process commits, since a follower skips its own. */
  readonly onWritten?: (tenantId: string, sequence: number) => void;
}

/** Returns the keyring in the registry's database. */
export function keyringKeys({ database, origin = randomUUID(), onWritten }: KeyringKeysOptions): KeyringStore {
  const { dialect } = database;
  const now = (db: Kysely<Schema>) => db.selectNoFrom(dialect.nowMs.as('now')).executeTakeFirstOrThrow();
  const timeAndIdentity = (db: Kysely<Schema>) =>
    db
      .selectFrom('database_identity')
      .select(['id', dialect.nowMs.as('now')])
      .executeTakeFirstOrThrow();
  const reading = async (query: (db: Kysely<Schema>) => Promise<readonly Row[]>): Promise<KeyringReading> =>
    database.read(async (db) => {
      // Read before the rows, so that ages are never overestimated.
      const { now: nowMs, id: databaseId } = await timeAndIdentity(db);
      return { nowMs, databaseId, keys: (await query(db)).map(storedKey) };
    });
  /** Runs a change with a number of its own; the callback returns whether it changed anything. */
  const change = async (
    tenantId: string,
    run: (trx: Write, sequence: number) => Promise<boolean>,
  ): Promise<boolean> => {
    let written = 0;
    const isChanged = await database.write(async (trx) => {
      await dialect.durably(trx);
      const sequence = await nextSequence(trx);
      if (!(await run(trx, sequence))) return false;
      await dialect.notify(trx, 'keyring', { origin, sequence, tenantId });
      written = sequence;
      return true;
    });
    if (isChanged) onWritten?.(tenantId, written);
    return isChanged;
  };
  const insert = (key: NewStoredKey, madeUnder: string | null) =>
    change(key.tenantId, async (trx, sequence) => {
      const { now: created_at } = await now(trx);
      const added = await trx
        .insertInto('keyring_keys')
        .values({ ...rowOf(key), made_under: madeUnder, created_at, change_sequence: sequence })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      return added !== undefined;
    });

  return {
    databaseId: () => database.read(async (db) => (await identity(db)).id),
    now: () => database.read(async (db) => (await now(db)).now),
    find: (tenantId, ids) =>
      ids.length === 0
        ? reading(async () => [])
        : reading((db) =>
            keysOf(db, tenantId)
              .where('id', 'in', [...ids])
              .execute(),
          ),
    missing: async (names) => {
      const found = await database.read((db) => namedBy(db, names).execute());
      const known = new Set(found.map(({ tenant_id, id }) => `${tenant_id} ${id}`));
      return names.filter(({ tenantId, id }) => !known.has(`${tenantId} ${id}`));
    },
    labelled: (tenantId, kind, vaultKey, labels) =>
      reading((db) =>
        keysOf(db, tenantId)
          .where('kind', '=', kind)
          .where('vault_key', '=', vaultKey)
          .where('label', 'in', [...labels])
          .orderBy('label')
          .orderBy('created_at')
          .orderBy('id')
          .execute(),
      ),
    ofKind: (tenantId, kind) => reading((db) => keysOf(db, tenantId).where('kind', '=', kind).execute()),
    oldest: (tenantId, kind, vaultKey) =>
      reading((db) =>
        keysOf(db, tenantId)
          .where('kind', '=', kind)
          .where('vault_key', '=', vaultKey)
          .orderBy('created_at')
          .orderBy('id')
          .limit(1)
          .execute(),
      ),
    page: (limit, after, tenantId) => reading((db) => pageOf(db, limit, after, tenantId).execute()),
    create: (key) => insert(key, key.kid),
    restore: async (key) => {
      if (await insert(key, null)) return 'added';
      const { keys } = await reading((db) => keysOf(db, key.tenantId).where('id', '=', key.id).execute());
      return keys[0]?.jwe === undefined ? 'destroyed' : 'present';
    },
    replace: ({ tenantId, id }, before, { vaultKey, jwe, kid, isCopied }) =>
      change(tenantId, async (trx, sequence) => {
        const { now: rewrapped_at } = await now(trx);
        const { numUpdatedRows } = await trx
          .updateTable('keyring_keys')
          .set({ vault_key: vaultKey, jwe, kid, rewrapped_at, change_sequence: sequence })
          // Under another registered key it is not the one that is made there for its epoch.
          .set((eb) => ({
            made_under: eb.case().when('vault_key', '=', vaultKey).then(eb.ref('made_under')).end(),
          }))
          .$if(isCopied, (query) =>
            query.set(({ fn, val }) => ({
              copied_digest: digestOf(jwe),
              copied_kid: kid,
              copied_at: fn.coalesce('copied_at', val(rewrapped_at)),
            })),
          )
          .where('tenant_id', '=', tenantId)
          .where('id', '=', id)
          .where('jwe', '=', before)
          .executeTakeFirst();
        return numUpdatedRows === 1n;
      }),
    markCopied: async (keys) => {
      for (const [tenantId, some] of Map.groupBy(keys, (key) => key.tenantId)) {
        await change(tenantId, async (trx, sequence) => {
          const { now: nowMs } = await now(trx);
          let updated = 0n;
          for (const { id, jwe, kid } of some) {
            const { numUpdatedRows } = await trx
              .updateTable('keyring_keys')
              .set(({ fn, val }) => ({
                copied_digest: digestOf(jwe),
                copied_kid: kid,
                copied_at: fn.coalesce('copied_at', val(nowMs)),
                change_sequence: sequence,
              }))
              .where('tenant_id', '=', tenantId)
              .where('id', '=', id)
              .where('jwe', '=', jwe)
              .executeTakeFirst();
            updated += numUpdatedRows;
          }
          return updated > 0n;
        });
      }
    },
    destroy: async (tenantId, ids) => {
      const destroyed: KeyName[] = [];
      for (const id of ids) {
        const isDestroyed = await change(tenantId, async (trx, sequence) => {
          const { now: destroyed_at } = await now(trx);
          const { numUpdatedRows } = await trx
            .updateTable('keyring_keys')
            .set({ jwe: null, destroyed_at, change_sequence: sequence })
            .where('tenant_id', '=', tenantId)
            .where('id', '=', id)
            .where('jwe', 'is not', null)
            .executeTakeFirst();
          return numUpdatedRows === 1n;
        });
        if (isDestroyed) destroyed.push({ tenantId, id });
      }
      return destroyed;
    },
    needs: async (tenantId) => {
      const [keys, copies] = await database.read((db) =>
        Promise.all([countsBy(db, tenantId, 'kid'), countsBy(db, tenantId, 'copied_kid')]),
      );
      const kids = [...new Set([...keys.keys(), ...copies.keys()])].sort();
      return kids.map((kid) => ({ kid, keys: keys.get(kid) ?? 0, copies: copies.get(kid) ?? 0 }));
    },
  };
}

/** Changes of the keyring's keys, by tenant. */
export const keyringChanges: ChangeSource = { channel: 'keyring', lastSequence, changesAfter };

async function lastSequence(db: Kysely<Schema>): Promise<number> {
  const { sequence } = await db.selectFrom('keyring_changes').select('sequence').executeTakeFirstOrThrow();
  return sequence;
}

async function changesAfter(db: Kysely<Schema>, since: number): Promise<Changes> {
  const sequence = await lastSequence(db);
  if (sequence === since) return { sequence, tenantIds: [] };
  if (sequence < since) return { sequence, tenantIds: undefined };
  const rows = await db
    .selectFrom('keyring_keys')
    .select(['tenant_id', 'change_sequence'])
    .where('change_sequence', '>', since)
    .orderBy('change_sequence')
    .limit(MAX_CHANGES + 1)
    .execute();
  if (rows.length > MAX_CHANGES) return { sequence, tenantIds: undefined };
  return {
    sequence: Math.max(sequence, rows.at(-1)?.change_sequence ?? sequence),
    tenantIds: [...new Set(rows.map(({ tenant_id }) => tenant_id))],
  };
}

/**
 * Returns the next number. Call it first: until the commit this transaction is then the only writer
 * of keys, so numbers are committed in order.
 */
async function nextSequence(trx: Write): Promise<number> {
  const { sequence } = await trx
    .updateTable('keyring_changes')
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .returning('sequence')
    .executeTakeFirstOrThrow();
  return sequence;
}

const identity = (db: Kysely<Schema>) => db.selectFrom('database_identity').select('id').executeTakeFirstOrThrow();

const keysOf = (db: Kysely<Schema>, tenantId: string) =>
  db.selectFrom('keyring_keys').select(COLUMNS).where('tenant_id', '=', tenantId);

/** Returns the number of a tenant's keys, tombstones excluded, by a key version that they need. */
async function countsBy(db: Kysely<Schema>, tenantId: string, column: 'kid' | 'copied_kid') {
  const rows = await db
    .selectFrom('keyring_keys')
    .select([column, (eb) => eb.fn.countAll<number>().as('count')])
    .where('tenant_id', '=', tenantId)
    .where('jwe', 'is not', null)
    .groupBy(column)
    .execute();
  return new Map(rows.flatMap((row) => (row[column] === null ? [] : [[row[column], Number(row.count)] as const])));
}

function pageOf(db: Kysely<Schema>, limit: number, after: KeyName | undefined, tenantId: string | undefined) {
  let query = db.selectFrom('keyring_keys').select(COLUMNS).orderBy('tenant_id').orderBy('id').limit(limit);
  if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId);
  if (after) query = query.where(sql<boolean>`(tenant_id, id) > (${after.tenantId}, ${after.id})`);
  return query;
}

const namedBy = (db: Kysely<Schema>, names: readonly KeyName[]) =>
  db
    .selectFrom('keyring_keys')
    .select(['tenant_id', 'id'])
    .where((eb) => eb.or(names.map(({ tenantId, id }) => eb.and([eb('tenant_id', '=', tenantId), eb('id', '=', id)]))));

const rowOf = ({ tenantId, id, kind, vaultKey, label, jwe, kid }: NewStoredKey) => ({
  tenant_id: tenantId,
  id,
  kind,
  vault_key: vaultKey,
  label,
  jwe,
  kid,
});

const digestOf = (jwe: string): string => createHash('sha256').update(jwe).digest('base64url');

function storedKey(row: Row): StoredKey {
  const jwe = row.jwe ?? undefined;
  return {
    tenantId: row.tenant_id,
    id: row.id,
    kind: row.kind as KeyKind, // only this file writes it; the JWE decides
    vaultKey: row.vault_key,
    label: row.label,
    jwe,
    kid: row.kid,
    createdAt: row.created_at,
    copiedAt: row.copied_at ?? undefined,
    copiedKid: row.copied_kid ?? undefined,
    isCopied: jwe !== undefined && row.copied_digest === digestOf(jwe),
  };
}

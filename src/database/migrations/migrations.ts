import type { Kysely, Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import { type DatabaseOptions, openDatabase, type SqlDatabase } from '../open-database.ts';
import type { PostgresOptions } from '../postgres-connection.ts';
import type { Schema } from '../schema.ts';
import { createTenants } from './0001-create-tenants.ts';
import { countKeyUsage } from './0002-count-key-usage.ts';
import { storeAuditRecords } from './0003-store-audit-records.ts';
import { rememberKeyUses } from './0004-remember-key-uses.ts';
import { storeKeyring } from './0005-store-keyring.ts';
import { storeTransparencyLog } from './0006-store-transparency-log.ts';
import { dateCopies } from './0007-date-copies.ts';
import { storeLeases } from './0008-store-leases.ts';
import { storeBells } from './0009-store-bells.ts';
import { storeSiemCursors } from './0010-store-siem-cursors.ts';
import { dropUsedDay } from './0011-drop-used-day.ts';
import { storeDrills } from './0012-store-drills.ts';
import { indexTenantLists } from './0013-index-tenant-lists.ts';
import { sumUsage } from './0014-sum-usage.ts';
import { storeOnboardingLinks } from './0015-store-onboarding-links.ts';
import { countQuotas } from './0016-count-quotas.ts';
import { storeOtlpCursors } from './0017-store-otlp-cursors.ts';
import { growTreesLater } from './0018-grow-trees-later.ts';
import { packEdges } from './0019-pack-edges.ts';
import { removeChains } from './0020-remove-chains.ts';

/**
 * One step forward of the schema. Steps are never edited or reverted: the next step corrects a
 * mistake.
 */
export interface Migration {
  readonly version: number;
  readonly name: string;
  up(trx: Transaction<Schema>, dialect: SqlDialect): Promise<void>;
}

/** In the order of their versions, which count from 1. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'create-tenants', up: createTenants },
  { version: 2, name: 'count-key-usage', up: countKeyUsage },
  { version: 3, name: 'store-audit-records', up: storeAuditRecords },
  { version: 4, name: 'remember-key-uses', up: rememberKeyUses },
  { version: 5, name: 'store-keyring', up: storeKeyring },
  { version: 6, name: 'store-transparency-log', up: storeTransparencyLog },
  { version: 7, name: 'date-copies', up: dateCopies },
  { version: 8, name: 'store-leases', up: storeLeases },
  { version: 9, name: 'store-bells', up: storeBells },
  { version: 10, name: 'store-siem-cursors', up: storeSiemCursors },
  { version: 11, name: 'drop-used-day', up: dropUsedDay },
  { version: 12, name: 'store-drills', up: storeDrills },
  { version: 13, name: 'index-tenant-lists', up: indexTenantLists },
  { version: 14, name: 'sum-usage', up: sumUsage },
  { version: 15, name: 'store-onboarding-links', up: storeOnboardingLinks },
  { version: 16, name: 'count-quotas', up: countQuotas },
  { version: 17, name: 'store-otlp-cursors', up: storeOtlpCursors },
  { version: 18, name: 'grow-trees-later', up: growTreesLater },
  { version: 19, name: 'pack-edges', up: packEdges },
  { version: 20, name: 'remove-chains', up: removeChains },
];

/**
 * Migrates the database to this program's schema and returns the names of the steps that it took.
 * Its connection has no statement timeout.
 * @throws SchemaError when the schema is newer than this program; ServiceError
 * `registry-unavailable`
 */
export async function migrate(options: DatabaseOptions, steps = MIGRATIONS): Promise<readonly string[]> {
  const database = await openDatabase('file' in options ? options : direct(options));
  try {
    return await migrateDatabase(database, steps);
  } finally {
    await database.close();
  }
}

/**
 * Returns options that connect to the server itself: long statements must not run on a pooler's
 * shared connections.
 */
const direct = (options: PostgresOptions): PostgresOptions => ({
  ...options,
  url: options.directUrl ?? options.url,
  statementTimeoutMs: 0,
});

/** The database has the schema of another version. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  /** Whether the schema is newer than this program. */
  readonly isNewer: boolean;

  constructor(message: string, isNewer: boolean) {
    super(message);
    this.isNewer = isNewer;
  }
}

/**
 * Checks the schema's version.
 * @throws SchemaError when the schema is not exactly the one of this program; ServiceError
 * `registry-unavailable`
 */
export async function assertMigrated({ read, dialect }: SqlDatabase, steps = MIGRATIONS): Promise<void> {
  const found = await read((db) => schemaVersion(db, dialect));
  const wanted = latest(steps);
  assertNotNewer(found, wanted);
  if (found < wanted) {
    throw new SchemaError(
      `The database has schema ${found}, and this program needs ${wanted}: run vaultspan migrate`,
      false,
    );
  }
}

async function migrateDatabase(database: SqlDatabase, steps: readonly Migration[]): Promise<readonly string[]> {
  const taken: string[] = [];
  for (;;) {
    const found = await database.read((db) => schemaVersion(db, database.dialect));
    assertNotNewer(found, latest(steps));
    if (found === latest(steps)) return taken; // the usual case needs no lock, and no right to change tables
    const name = await database.write((trx) => takeNextStep(trx, database.dialect, steps));
    if (name !== undefined) taken.push(name);
  }
}

/**
 * Returns the step's name, or undefined if another process was quicker. The version is read again
 * under the lock.
 */
async function takeNextStep(
  trx: Transaction<Schema>,
  dialect: SqlDialect,
  steps: readonly Migration[],
): Promise<string | undefined> {
  await dialect.lockSchema(trx);
  await trx.schema
    .createTable('schema_migrations')
    .ifNotExists()
    .addColumn('version', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('applied_at', 'bigint', (column) => column.notNull())
    .execute();
  const found = await schemaVersion(trx, dialect);
  const step = steps.find(({ version }) => version === found + 1);
  if (!step) return undefined;
  const { version, name } = step;
  await step.up(trx, dialect);
  await trx.insertInto('schema_migrations').values({ version, name, applied_at: Date.now() }).execute();
  return name;
}

/** Returns the version; 0 means that no tables exist yet. */
async function schemaVersion(db: Kysely<Schema>, dialect: SqlDialect): Promise<number> {
  const { rows } = await dialect.tableExists('schema_migrations').execute(db);
  if (!rows[0]?.found) return 0;
  const newest = await db
    .selectFrom('schema_migrations')
    .select('version')
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  return newest?.version ?? 0;
}

function assertNotNewer(found: number, known: number): void {
  if (found <= known) return;
  throw new SchemaError(
    `The database has schema ${found}, and this program knows schemas up to ${known} only: run the version of Vaultspan that migrated it, or a newer one. Schemas don't go back.`,
    true,
  );
}

const latest = (steps: readonly Migration[]): number => steps.at(-1)?.version ?? 0;

import type { AuditTable } from '../audit/audit-table.ts';
import { type FileSink, openFileSink } from '../audit/chain/file-sink.ts';
import { DAY_MS, dayOf } from '../audit/days.ts';
import { fileRecords } from '../audit/pages/file-records.ts';
import type { AuditRecords } from '../audit/pages/record-page.ts';
import { tableRecords } from '../audit/pages/table-records.ts';
import { removeOldFiles } from '../audit/retention/retention.ts';
import { dropOldDays } from '../audit/retention/table-retention.ts';
import { Shipper } from '../audit/shipping/shipper.ts';
import type { Config } from '../config/load-config.ts';
import { migrate } from '../database/migrations/migrations.ts';
import { openDatabase, type SqlDatabase } from '../database/open-database.ts';
import { auditTable } from '../database/tables/audit-table.ts';
import type { Logger } from '../telemetry/logger.ts';
import { databaseOptions } from './store.ts';

/** The audit log of this process. */
export interface Audit {
  readonly sink: FileSink;
  /** Brings the records into PostgreSQL; absent where the files are all there is. */
  readonly shipper: Shipper | undefined;
  readonly records: AuditRecords;
  /** Ends the chain, and ships what waits as far as that goes in some seconds. */
  close(): Promise<void>;
}

/** Beside the registry's connections, so that neither waits for the other: one to ship, one to read. */
const AUDIT_CONNECTIONS = 2;
const HOUR_MS = 3_600_000;
const DAYS_AHEAD = 2;

/** By default where there is a PostgreSQL. */
export const isAuditInDatabase = ({ audit, database }: Config): boolean => audit.database ?? database.url !== undefined;

/** Begins a chain. As long as it is open its records are shipped, and what is past its retention goes. @throws the system's error; ServiceError */
export async function openAudit(config: Config, logger: Logger): Promise<Audit> {
  const database = isAuditInDatabase(config) ? await openAuditDatabase(config, logger) : undefined;
  const table = database && auditTable(database);
  const { directory, durability, maxFileBytes, retentionDays } = config.audit;
  let shipper: Shipper | undefined;
  try {
    const sink = await openFileSink({ directory, durability, maxFileBytes, limit: () => shipper?.limit() });
    shipper = table && openShipper(config, logger, sink, table);
    const keeping = everyHour(
      async () => {
        const now = Date.now();
        const today = dayOf(now);
        for (let ahead = 0; table && ahead <= DAYS_AHEAD; ahead += 1) await table.createDay(today + ahead);
        if (retentionDays === undefined) return;
        const removed = table
          ? await dropOldDays({ table, sink, days: retentionDays }, now)
          : await removeOldFiles({ directory, sink, days: retentionDays }, now);
        if (removed.length > 0) logger.info({ removed }, 'audit records past their retention were removed');
      },
      (error) => logger.error({ error }, 'the audit log was not tidied up'),
    );
    return {
      sink,
      shipper,
      records: table ? tableRecords(table) : fileRecords(directory),
      close: async () => {
        await keeping.close();
        try {
          await sink.close();
        } finally {
          await shipper?.close();
          await database?.close();
        }
      },
    };
  } catch (error) {
    await database?.close();
    throw error;
  }
}

async function openAuditDatabase(config: Config, logger: Logger): Promise<SqlDatabase> {
  const options = { ...databaseOptions(config), maxConnections: AUDIT_CONNECTIONS };
  // Where tenants or visits are in the database it is migrated already.
  if (config.registry.file !== undefined && !config.rounds.enabled && config.database.migrate === 'at-start') {
    for (const name of await migrate(options)) logger.info({ name }, 'the database was migrated');
  }
  return openDatabase(options);
}

const openShipper = ({ audit }: Config, logger: Logger, sink: FileSink, table: AuditTable): Shipper =>
  new Shipper({
    directory: audit.directory,
    sink,
    table,
    maxSpoolBytes: audit.maxSpoolBytes,
    retentionMs: audit.retentionDays && audit.retentionDays * DAY_MS,
    onTrouble: (error) => logger.error({ error }, 'the database takes no audit records; they wait in the spool'),
    onRecovery: () => logger.info('the database takes audit records again'),
    onBadFile: (file, problem) => logger.error({ file, problem }, 'a file of the audit spool is not whole'),
  });

/** Now and every hour, one run at a time. */
function everyHour(run: () => Promise<void>, onFailure: (error: unknown) => void): { close(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  const start = () => {
    running = running.then(run).catch(onFailure);
  };
  start();
  const timer = setInterval(start, HOUR_MS).unref();
  return {
    close: () => {
      clearInterval(timer);
      return running;
    },
  };
}

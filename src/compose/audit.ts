import { type FileSink, type FileSinkOptions, openFileSink } from '../audit/chain/file-sink.ts';
import type { LineKey } from '../audit/chain/line-key.ts';
import { ClockWatch } from '../audit/clock-watch.ts';
import { DAY_MS } from '../audit/days.ts';
import { fileRecords } from '../audit/pages/file-records.ts';
import type { AuditRecords } from '../audit/pages/record-page.ts';
import { tableRecords } from '../audit/pages/table-records.ts';
import { Retention } from '../audit/retention/retention.ts';
import { Shipper, type ShipperOptions } from '../audit/shipping/shipper.ts';
import type { Config } from '../config/resolved.ts';
import { migrate } from '../database/migrations/migrations.ts';
import { openDatabase, type SqlDatabase } from '../database/open-database.ts';
import { auditTable } from '../database/tables/audit-table.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Home } from './home.ts';
import { databaseMistake, fileMistake, namingSettings } from './setting-mistakes.ts';
import { databaseOptions } from './store.ts';

/** The audit log of this process. */
export interface Audit {
  readonly sink: FileSink;
  /** Ships the records to the database; absent when records stay in files. */
  readonly shipper: Shipper | undefined;
  readonly records: AuditRecords;
  /** The database of the records; absent when they stay in files. Closed with the log. */
  readonly database: SqlDatabase | undefined;
  /** Returns the names of problems although records are accepted, for readiness. */
  degraded(): readonly string[];
  /** Ends the chain, and ships the remaining records within some seconds. */
  close(): Promise<void>;
}

/**
 * In addition to the registry's connections, so that neither waits for the other: one to ship, one
 * to read.
 */
const AUDIT_CONNECTIONS = 2;
/**
 * For receipts, one to sequence, one for checkpoints and readers of the logs; for deliveries to
 * SIEMs, one to sequence, one for cursors.
 */
const LOG_CONNECTIONS = 2;

type AuditConfig = Pick<Config, 'audit' | 'database' | 'receipts' | 'registry' | 'rounds' | 'siem'>;

/**
 * Begins a chain. While it is open its records are shipped, and those past their retention are
 * removed.
 * @param key makes the MACs of its lines. A command runs without it and removes nothing, because no
 * verifier would trust its record of that
 * @throws the system's error; ServiceError
 */
export async function openAudit(
  config: AuditConfig,
  home: Pick<Home, 'platform'>,
  key: LineKey | undefined,
  logger: Logger,
): Promise<Audit> {
  const database = config.audit.database
    ? await namingSettings(() => openAuditDatabase(config, home, logger), databaseMistake(config))
    : undefined;
  const table = database && auditTable(database);
  const { directory, durability, maxFileBytes, retentionDays: days } = config.audit;
  const clocks = new ClockWatch({
    onDisagreement: (seconds) => logger.error({ seconds }, 'clocks disagree: no audit records are removed'),
    onAgreement: () => logger.info('clocks agree again: audit records past their retention are removed'),
  });
  let shipper: Shipper | undefined;
  try {
    const options: FileSinkOptions = {
      directory,
      key,
      durability,
      maxFileBytes,
      limit: () => shipper?.limit(),
      onInterference: (file, interference) => logger.error({ file, interference }, 'an audit file was changed'),
    };
    const sink = await namingSettings(() => openFileSink(options), fileMistake('audit.directory', directory));
    const keepMs = key ? config.audit.keepShippedMs : Number.POSITIVE_INFINITY;
    shipper =
      table && openShipper(config, logger, { sink, table, clocks, keepMs, retentionMs: key && days && days * DAY_MS });
    const retention = new Retention({
      directory,
      sink,
      table,
      days: key && days,
      clocks,
      onRemoved: (removed) => logger.info({ removed }, 'audit records past their retention were removed'),
      onFailure: (error) => logger.error({ error }, 'audit records past their retention could not be removed'),
    });
    return {
      sink,
      shipper,
      records: table ? tableRecords(table) : fileRecords(directory),
      database,
      degraded: () => [
        ...(shipper?.trouble() === undefined ? [] : ['audit']),
        ...(clocks.trouble() === undefined ? [] : ['audit-clock']),
        ...(sink.interferences() === 0 ? [] : ['audit-files']),
      ],
      close: async () => {
        await retention.close();
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

async function openAuditDatabase(
  config: AuditConfig,
  home: Pick<Home, 'platform'>,
  logger: Logger,
): Promise<SqlDatabase> {
  const maxConnections =
    AUDIT_CONNECTIONS +
    (config.receipts.origin === undefined ? 0 : LOG_CONNECTIONS) +
    (config.siem.enabled ? LOG_CONNECTIONS : 0) +
    (config.siem.otlpEndpoint === undefined ? 0 : 1);
  const options = { ...databaseOptions(config, home), maxConnections };
  // If tenants or visits are in the database, it is migrated already.
  if (config.registry.file !== undefined && !config.rounds.enabled && config.database.migrate === 'at-start') {
    for (const name of await migrate(options)) logger.info({ name }, 'the database was migrated');
  }
  return openDatabase(options);
}

const openShipper = (
  { audit }: AuditConfig,
  logger: Logger,
  parts: Pick<ShipperOptions, 'sink' | 'table' | 'clocks' | 'keepMs' | 'retentionMs'>,
): Shipper =>
  new Shipper({
    ...parts,
    directory: audit.directory,
    maxSpoolBytes: audit.maxSpoolBytes,
    onTrouble: (error) => logger.error({ error }, 'the database accepts no audit records; they wait in the spool'),
    onRecovery: () => logger.info('the database accepts audit records again'),
    onBadFile: (file, problem) => logger.error({ file, problem }, 'a file of the audit spool is damaged'),
    onLost: (chain, from) => logger.error({ chain, from }, 'the database lost audit records; they are shipped again'),
  });

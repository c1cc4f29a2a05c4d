import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { publicKeysIn, verifierKey } from '../../audit/receipts/checkpoint.ts';
import { originOf, restartLogs } from '../../audit/receipts/checkpointer.ts';
import { exportLog, FolderInUseError } from '../../audit/receipts/export-log.ts';
import { verifyExport } from '../../audit/receipts/verify-export.ts';
import { withAuditDatabase } from '../../compose/audit-database.ts';
import { openHome } from '../../compose/home.ts';
import { openReceiptsKey } from '../../compose/receipts.ts';
import { ConfigError } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import { checkpointTable } from '../../database/tables/log-checkpoints.ts';
import { logReader } from '../../database/tables/log-reader.ts';
import { recordSuccess } from '../../operations/record-success.ts';
import { readArguments } from '../support/arguments.ts';
import { amount } from '../support/audit-report.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';
import { reportExport } from '../support/export-report.ts';
import { openTools } from '../support/open-tools.ts';
import { readConfig } from '../support/read-config.ts';

const usage = `Usage: vaultspan log key [TENANT] [--config FILE]
       vaultspan log export TENANT --to DIRECTORY [--config FILE]
       vaultspan log verify --export DIRECTORY --key FILE [--since FILE] [--json]
       vaultspan log restart --yes [--config FILE]`;

export const log: Command = {
  name: 'log',
  summary: "Export and verify a tenant's transparency log",
  help: `
${usage}

key prints the public key of checkpoints as PEM, and with TENANT as a verifier key for tools of transparency logs.

export writes a tenant's log to an empty directory, as far as its last checkpoint reaches: checkpoint, entries.ndjson with a
line for each entry, and tiles of hashes (C2SP tlog-tiles).

verify checks an export without any connection: the signature, the hashes, every entry, the numbers of the tenant's records,
and with a kept checkpoint that the log has only grown since. The customer's own check is docs/verify_log.py.

  --key FILE      public keys of checkpoints, PEM
  --since FILE    a checkpoint of the same log that was kept from before
  --json          print the findings as JSON

restart begins new logs, with the same entries and under another origin, after the home vault refused the database:
see docs/operating.md. Customers see it, so tell them why.

Exit codes: 0 done, or the export is complete and unchanged; 1 it is not, or a failure; 2 wrong usage or configuration.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      to: { type: 'string' },
      export: { type: 'string' },
      key: { type: 'string' },
      since: { type: 'string' },
      json: { type: 'boolean', default: false },
      yes: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    const [verb = '', tenantId, ...more] = positionals;
    const { config, ...flags } = values;
    const given = Object.entries(flags).flatMap(([name, value]) => (value === false ? [] : [name]));
    const job = { io, tenantId, config, flags };
    const run = VERBS[verb];
    if (!run || more.length > 0 || !run.accepts(given, tenantId)) {
      io.stderr(`${usage}\n`);
      return 2;
    }
    return run.run(job);
  },
};

interface Job {
  readonly io: CommandIo;
  readonly tenantId: string | undefined;
  readonly config: string | undefined;
  readonly flags: {
    readonly to?: string;
    readonly export?: string;
    readonly key?: string;
    readonly since?: string;
    readonly json: boolean;
  };
}

interface Verb {
  /** Returns whether these options, and a tenant or none, make a call of the verb. */
  accepts(options: readonly string[], tenantId: string | undefined): boolean;
  run(job: Job): Promise<number>;
}

const isAllOf = (options: readonly string[], needed: readonly string[], optional: readonly string[] = []): boolean =>
  needed.every((name) => options.includes(name)) &&
  options.every((name) => needed.includes(name) || optional.includes(name));

const VERBS: Readonly<Record<string, Verb>> = {
  key: { accepts: (options) => isAllOf(options, []), run: printKey },
  export: {
    accepts: (options, tenantId) => isAllOf(options, ['to']) && tenantId !== undefined,
    run: writeExport,
  },
  verify: {
    accepts: (options, tenantId) => isAllOf(options, ['export', 'key'], ['since', 'json']) && tenantId === undefined,
    run: verify,
  },
  restart: {
    accepts: (options, tenantId) => isAllOf(options, ['yes']) && tenantId === undefined,
    run: restart,
  },
};

interface ReceiptsConfig extends Config {
  readonly receipts: Config['receipts'] & { readonly origin: string };
}

function configOf({ io, config: path }: Pick<Job, 'io' | 'config'>): ReceiptsConfig {
  const config = readConfig(path, io);
  prepareForEmulator(config, io);
  const { origin } = config.receipts;
  if (origin === undefined) throw new ConfigError('Receipts are off: set receipts.origin');
  return { ...config, receipts: { ...config.receipts, origin } };
}

async function printKey(job: Job): Promise<number> {
  const { io, tenantId } = job;
  const config = configOf(job);
  const { publicKey } = await openReceiptsKey({ config, home: openHome(config) }).read();
  const key = createPublicKey({ key: Buffer.from(publicKey), type: 'spki', format: 'der' });
  io.stdout(key.export({ type: 'spki', format: 'pem' }).toString());
  if (tenantId === undefined) return 0;
  const { generation } = await withAuditDatabase(config, (database) => checkpointTable(database).anchor());
  io.stdout(`${verifierKey(originOf(config.receipts.origin, tenantId, generation), publicKey)}\n`);
  return 0;
}

async function writeExport(job: Job): Promise<number> {
  const { io, tenantId = '', flags } = job;
  const config = configOf(job);
  const folder = resolve(io.cwd, flags.to ?? '');
  await using tools = await openTools(job.config, io);
  await tools.tenants.get(tenantId);
  io.progress(`exporting the log of ${tenantId}`);
  try {
    const size = await withAuditDatabase(config, (database) =>
      exportLog(logReader(database), tenantId, folder, io.signal),
    );
    if (size === undefined) {
      io.stderr(`log export: the log of ${tenantId} has no checkpoint yet\n`);
      return 1;
    }
    await recordSuccess(tools, tools.call(), { operation: 'log-export', tenantId });
    io.stdout(`${folder}: ${size === 1 ? '1 entry' : `${size} entries`}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof FolderInUseError)) throw error;
    io.stderr(`log export: ${error.message}\n`);
    return 1;
  }
}

async function verify({ io, flags }: Job): Promise<number> {
  const path = (file = ''): string => resolve(io.cwd, file);
  const read = (file: string): Promise<string> =>
    readFile(path(file), 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new ConfigError(`Cannot read ${file}: ${error.code}`);
    });
  const keys = publicKeysIn(await read(flags.key ?? ''));
  if (keys.length === 0) throw new ConfigError(`${flags.key} has no public key of P-256 in PEM`);
  const kept = flags.since === undefined ? undefined : await read(flags.since);
  io.progress('verifying the export');
  try {
    const verified = await verifyExport(path(flags.export), keys, kept, io.signal);
    return reportExport(verified, flags.json, io) ? 0 : 1;
  } catch (error) {
    if (!Error.isError(error) || !('syscall' in error) || !('path' in error)) throw error;
    io.stderr(`log verify: ${String(error.path)}: ${'code' in error ? String(error.code) : ''}\n`);
    return 1;
  }
}

async function restart(job: Job): Promise<number> {
  const { io } = job;
  const config = configOf(job);
  await using tools = await openTools(job.config, io);
  const key = openReceiptsKey({ config, home: tools.home });
  const generation = await withAuditDatabase(config, (database) =>
    restartLogs({ table: checkpointTable(database), key, now: Date.now }),
  );
  await recordSuccess(tools, tools.call(), { operation: 'log-restart' });
  const example = originOf(config.receipts.origin, 'TENANT', generation);
  io.stdout(`logs continue as ${example}; ${amount(generation - 1, 'restart')} so far\n`);
  return 0;
}

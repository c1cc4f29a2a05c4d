import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { AuditTable } from '../../audit/audit-table.ts';
import { shipFiles } from '../../audit/shipping/ship-files.ts';
import { compareEnds } from '../../audit/verify/compare-ends.ts';
import type { MacRules } from '../../audit/verify/mac-check.ts';
import type { VerifiedSource } from '../../audit/verify/verify-chains.ts';
import { type VerifyOptions, verifyDirectories, verifyFile } from '../../audit/verify/verify-directory.ts';
import { verifyTable } from '../../audit/verify/verify-table.ts';
import { withAuditDatabase } from '../../compose/audit-database.ts';
import { openHome } from '../../compose/home.ts';
import { parseLineKeys, readLineKeys } from '../../compose/home-keys.ts';
import { ConfigError } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import { auditTable } from '../../database/tables/audit-table.ts';
import { readArguments } from '../support/arguments.ts';
import { amount, type Findings, reportFindings } from '../support/audit-report.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';
import { readConfig } from '../support/read-config.ts';

const usage = `Usage: vaultspan audit verify [--json] [--online | --key FILE] [--unkeyed-before TIME] [--config FILE] [--database | PATH...]
       vaultspan audit ship --all [--config FILE] [DIRECTORY...]`;

export const auditCommand: Command = {
  name: 'audit',
  summary: 'Check that the audit records are complete and unchanged',
  help: `
${usage}

verify checks audit chains: the position of each record, the hashes that link the records, and the links between
chains. With the audit key it also checks each record's MAC, which cannot be forged with access to the disk or database alone.
PATH is a file of a chain, or directories, which are checked together: old files may have been moved. The default is the
audit directory of the configuration.
A chain without a close record is not an error: its process was killed or is still running. Records cut off the end of such
a chain are detected if a later chain continues it, or with --online if the database has them.

  --online       read the audit key from the home vault; with a database, also compare the end of each chain there
  --key FILE     use this audit key: the values of the secret's versions, one per line
  --unkeyed-before TIME   accept chains without MACs up to this time (RFC 3339), from older releases
  --database     check the records in the database instead of files
  --json         print the findings as JSON
  --config FILE  the configuration; not needed with PATH and without --online

ship --all stores every record of the files that the database does not have, for example after the restore of an older
backup. The service may be running. DIRECTORY has copies of files that are no longer in the audit directory.

Exit codes: 0 all chains are intact, or all records are shipped; 1 a chain is not intact, there is none, or a failure;
2 wrong usage or configuration.`,
  async run(args, io) {
    const call = parseCall(args);
    if (typeof call === 'string') {
      io.stderr(`${call}\n${usage}\n`);
      return 2;
    }
    const job: Job = { ...call, io, settings: configReader(call, io) };
    const directories = call.paths.length > 0 || call.database ? call.paths : [job.settings().audit.directory];
    const path = call.database ? 'the database' : directories.join(' ');
    const paths = directories.map((one) => resolve(io.cwd, one));
    try {
      if (call.verb === 'ship') return await ship(job, paths);
      const findings = await verify(job, paths);
      return reportFindings({ path, ...findings }, call.json, io) ? 0 : 1;
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      io.stderr(`${failureText(error, call.verb, path, io.signal)}\n`);
      return 1;
    }
  },
};

interface Call {
  readonly verb: 'verify' | 'ship';
  readonly paths: readonly string[];
  readonly config: string | undefined;
  readonly database: boolean;
  readonly online: boolean;
  readonly key: string | undefined;
  readonly unkeyedBefore: number | undefined;
  readonly json: boolean;
}

/** Returns the parsed call, or the problem of its arguments. */
function parseCall(args: readonly string[]): Call | string {
  try {
    const { values, positionals } = readArguments(args, {
      all: { type: 'boolean', default: false },
      database: { type: 'boolean', default: false },
      online: { type: 'boolean', default: false },
      key: { type: 'string' },
      'unkeyed-before': { type: 'string' },
      json: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    const [verb, ...paths] = positionals;
    const problem = problemOf(verb, paths, values);
    if (problem !== undefined) return problem;
    const { 'unkeyed-before': before, all: _all, ...flags } = values;
    const unkeyedBefore = before === undefined ? undefined : Date.parse(before);
    if (Number.isNaN(unkeyedBefore)) return `audit verify: "${before}" is not a time like 2026-12-01T00:00:00Z`;
    return { verb: verb as Call['verb'], paths, config: flags.config, key: flags.key, unkeyedBefore, ...flags };
  } catch (error) {
    return Error.isError(error) ? error.message : String(error);
  }
}

interface Flags {
  readonly all: boolean;
  readonly database: boolean;
  readonly online: boolean;
  readonly json: boolean;
  readonly key?: string;
  readonly 'unkeyed-before'?: string;
}

/** Returns the reason that these flags cannot be combined. */
function problemOf(verb: string | undefined, paths: readonly string[], flags: Flags): string | undefined {
  const { all, database, online, json, key, 'unkeyed-before': before } = flags;
  const hasKey = online || key !== undefined;
  if (verb === undefined) return 'audit: give verify or ship';
  if (verb === 'ship')
    return all && !database && !hasKey && !json && before === undefined
      ? undefined
      : 'audit ship: accepts --all, --config and directories';
  if (verb !== 'verify') return `audit: unknown action "${verb}"`;
  if (all) return 'audit verify: --all is only for ship';
  if (database && paths.length > 0) return 'audit verify: either --database or PATH';
  if (online && key !== undefined) return 'audit verify: either --online or --key';
  return before === undefined || hasKey ? undefined : 'audit verify: --unkeyed-before needs --online or --key';
}

/** Returns a function that reads the configuration at its first use, and only once. */
function configReader({ config }: Call, io: CommandIo): () => Config {
  let read: Config | undefined;
  return () => {
    read ??= readConfig(config, io);
    return read;
  };
}

/** A call with its configuration. */
interface Job extends Call {
  readonly io: CommandIo;
  readonly settings: () => Config;
}

async function verify(job: Job, paths: readonly string[]): Promise<Omit<Findings, 'path'>> {
  const macs = await macRulesOf(job);
  const { signal, progress } = job.io;
  if (job.database) {
    const onChain = (name: string) => progress(`verifying chain ${name}`);
    return withTable(job, async (table) => ({ chains: await verifyTable(table, signal, macs, onChain), ends: [] }));
  }
  const onFile = (name: string) => progress(`verifying ${name}`);
  const { chains, directories } = await verifyPaths(paths, { signal, macs, onPart: onFile });
  if (!job.online || !job.settings().audit.database) return { chains, ends: [] };
  return withTable(job, async (table) => ({ chains, ends: await compareEnds(directories, table, Date.now()) }));
}

async function readKeyFile(file: string): Promise<NonNullable<ReturnType<typeof parseLineKeys>>> {
  const refused = (problem: string) => new ConfigError('The audit key is not usable', [`${file}: ${problem}`]);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw refused(error.code === 'ENOENT' ? 'does not exist' : `can't be read (${error.code})`);
  });
  const keys = parseLineKeys(text);
  if (keys === undefined) throw refused('each line must be 32 bytes in base64url');
  return keys;
}

/** Returns the rules; undefined if no key is given. */
async function macRulesOf({ unkeyedBefore, key, online, io, settings }: Job): Promise<MacRules | undefined> {
  if (key !== undefined) {
    return { keys: await readKeyFile(resolve(io.cwd, key)), unkeyedBefore };
  }
  if (!online) return undefined;
  const config = settings();
  prepareForEmulator(config, io);
  return { keys: await readLineKeys(openHome(config)), unkeyedBefore };
}

async function withTable<T>({ io, settings }: Job, use: (table: AuditTable) => Promise<T>): Promise<T> {
  const config = settings();
  prepareForEmulator(config, io);
  return withAuditDatabase(config, (database) => use(auditTable(database)));
}

async function verifyPaths(
  paths: readonly string[],
  options: VerifyOptions,
): Promise<{ readonly chains: VerifiedSource[]; readonly directories: readonly string[] }> {
  const [first = '', ...more] = paths;
  if (more.length > 0 || (await stat(first)).isDirectory())
    return { chains: await verifyDirectories(paths, options), directories: paths };
  return { chains: [await verifyFile(first, options)], directories: [] };
}

async function ship(job: Job, directories: readonly string[]): Promise<number> {
  const { io } = job;
  return withTable(job, async (table) => {
    for (const directory of directories) {
      const { files, records, added, passedOver } = await shipFiles(table, directory, io.signal, (name) =>
        io.progress(`shipping ${name}`),
      );
      const bad = passedOver === 0 ? '' : `, ${amount(passedOver, 'line')} skipped that are not records`;
      const found = `${amount(files, 'file')}, ${amount(records, 'record')}`;
      io.stdout(`${directory}: ${found}, ${added} of them new to the database${bad}\n`);
    }
    return 0;
  });
}

/**
 * Returns the text of a file or directory that cannot be read, or of an interruption; any other
 * error is rethrown.
 */
function failureText(error: unknown, verb: string, path: string, signal: AbortSignal): string {
  if (signal.aborted)
    return verb === 'ship'
      ? 'audit ship: stopped before the end'
      : 'audit verify: stopped before the end, so nothing is proven';
  if (Error.isError(error) && 'syscall' in error && 'code' in error) return `${path}: ${String(error.code)}`;
  throw error;
}

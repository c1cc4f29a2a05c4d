import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { lineProblems } from '../../audit/verify/verify.ts';
import { linkProblems, type VerifiedSource } from '../../audit/verify/verify-chains.ts';
import { verifyDirectories, verifyFile } from '../../audit/verify/verify-directory.ts';
import { verifyTable } from '../../audit/verify/verify-table.ts';
import { openHome } from '../../compose/home.ts';
import { databaseMistake, namingSettings } from '../../compose/setting-mistakes.ts';
import { databaseOptions } from '../../compose/store.ts';
import { ConfigError } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import { openDatabase } from '../../database/open-database.ts';
import { auditTable } from '../../database/tables/audit-table.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';
import { readConfig } from '../support/read-config.ts';

const usage = 'Usage: vaultspan audit verify [--json] [--config FILE] [--database | PATH...]';

export const auditCommand: Command = {
  name: 'audit',
  summary: 'Check that the audit records are complete and unchanged',
  help: `
${usage}

Checks audit chains: each record's place, the hashes that tie the records together, and the links between chains.
PATH is a chain's file, or directories of them, which are checked together: old files may have been moved. Without it,
the audit directory of the configuration.
A chain without close record is no error: its process was killed or still runs. Records cut off the end of such a
chain show only if a later chain continues it: keep copies of the directory elsewhere.

  --database     the records in PostgreSQL instead of files
  --json         print the findings as JSON
  --config FILE  the configuration, when PATH is not given

Exit codes: 0 all chains hold, 1 one does not or there is none, 2 called wrongly or not configured.`,
  async run(args, io) {
    const call = parseCall(args);
    if (typeof call === 'string') {
      io.stderr(`${call}\n${usage}\n`);
      return 2;
    }
    const given = call.paths.length > 0 || call.database ? call.paths : [configOf(call, io).audit.directory];
    const path = call.database ? 'the database' : given.join(' ');
    const paths = given.map((one) => resolve(io.cwd, one));
    try {
      const found = call.database ? await verifyDatabase(call, io) : await verifyPaths(paths, io.signal);
      return report(path, found, { json: call.json, io });
    } catch (error) {
      io.stderr(`${failureText(error, path, io.signal)}\n`);
      return 1;
    }
  },
};

interface Call {
  readonly paths: readonly string[];
  readonly config: string | undefined;
  readonly database: boolean;
  readonly json: boolean;
}

/** What is asked for, or why it can't be understood. */
function parseCall(args: readonly string[]): Call | string {
  try {
    const { values, positionals } = readArguments(args, {
      database: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    const [verb, ...paths] = positionals;
    if (verb !== 'verify') return verb === undefined ? 'audit: verify what?' : `audit: no "${verb}"`;
    if (values.database && paths.length > 0) return 'audit verify: --database or PATH';
    return { paths, config: values.config, database: values.database, json: values.json };
  } catch (error) {
    return Error.isError(error) ? error.message : String(error);
  }
}

const configOf = ({ config }: Call, io: CommandIo): Config => readConfig(config, io);

async function verifyDatabase(call: Call, io: CommandIo): Promise<VerifiedSource[]> {
  const config = configOf(call, io);
  prepareForEmulator(config, io);
  if (!config.audit.database) throw new ConfigError('The audit records are not in a database: audit.database');
  const database = await openDatabase(databaseOptions(config, openHome(config)));
  try {
    return await namingSettings(() => verifyTable(auditTable(database), io.signal), databaseMistake(config));
  } finally {
    await database.close();
  }
}

async function verifyPaths(paths: readonly string[], signal: AbortSignal): Promise<VerifiedSource[]> {
  const [first = '', ...more] = paths;
  if (more.length > 0 || (await stat(first)).isDirectory()) return verifyDirectories(paths, signal);
  return [await verifyFile(first, signal)];
}

/** A file or directory that can't be read, or an interruption; anything else is a bug. */
function failureText(error: unknown, path: string, signal: AbortSignal): string {
  if (signal.aborted) return 'audit verify: stopped before the end, nothing is proved';
  if (Error.isError(error) && 'syscall' in error && 'code' in error) return `${path}: ${String(error.code)}`;
  throw error;
}

interface Output {
  readonly json: boolean;
  readonly io: CommandIo;
}

function report(path: string, files: readonly VerifiedSource[], { json, io }: Output): number {
  const bad = files.filter((file) => !holds(file)).length;
  const ok = files.length > 0 && bad === 0;
  const records = files.reduce((sum, file) => sum + file.records, 0);
  if (json) {
    io.stdout(
      `${JSON.stringify({ ok, path, records, chains: files.map((file) => ({ ...file, ok: holds(file) })) })}\n`,
    );
    return ok ? 0 : 1;
  }
  for (const file of files) for (const line of describe(file)) io.stdout(`${line}\n`);
  io.stdout(
    files.length === 0
      ? `${path}: no audit chain here\n`
      : `${amount(files.length, 'chain')}, ${amount(records, 'record')}: ${bad === 0 ? 'all hold' : `${bad} bad`}\n`,
  );
  return ok ? 0 : 1;
}

const holds = ({ firstBad, badLink }: VerifiedSource): boolean => firstBad === undefined && badLink === undefined;

const amount = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function describe(file: VerifiedSource): string[] {
  const { firstBad, badLink } = file;
  const end = [
    ...(file.files === undefined ? [] : [`${file.files} files`]),
    ...(file.begins === undefined ? [] : [`from sequence ${file.begins.sequence} on${beginning(file.removed)}`]),
    file.closed ? 'closed' : 'no close record: process killed or still running',
  ].join(', ');
  const lines: string[] = [];
  if (firstBad !== undefined) {
    const place = `line ${firstBad.line}${firstBad.sequence === undefined ? '' : `, sequence ${firstBad.sequence}`}`;
    lines.push(
      `${firstBad.file ?? file.file}: BAD at ${place}: ${lineProblems[firstBad.problem]} (records before it: ${file.records})`,
    );
  }
  if (badLink !== undefined) {
    lines.push(`${file.file}: BAD link to chain ${badLink.chain}: ${linkProblems[badLink.problem]}`);
  }
  return lines.length > 0 ? lines : [`${file.file}: ok, ${amount(file.records, 'record')}, ${end}`];
}

const beginning = (removed: VerifiedSource['removed']): string =>
  removed === undefined
    ? ''
    : removed === 'shipped'
      ? ' (the earlier ones are in the database)'
      : ' (the earlier ones were past their retention)';

import { BRANCH_DATABASE_SECRET, BRANCH_DATABASE_TYPE, readBranchDatabase } from '../../azure/home/branch-database.ts';
import type { Home } from '../../compose/home.ts';
import type { Store } from '../../compose/store.ts';
import { ConfigError } from '../../config/load-config.ts';
import { didYouMean } from '../../lib/nearest.ts';
import { recordSuccess } from '../../operations/record-success.ts';
import { destroyKeys } from '../branch-keys/destroy-keys.ts';
import { exportKeys } from '../branch-keys/export-keys.ts';
import { importKeys } from '../branch-keys/import-keys.ts';
import { rewrapKeys } from '../branch-keys/rewrap-keys.ts';
import { verifyKeys } from '../branch-keys/verify-keys.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { openTools, type Tools } from '../support/open-tools.ts';

interface Flags {
  readonly config?: string | undefined;
  readonly replace?: string | undefined;
  readonly output?: string | undefined;
  readonly force: boolean;
  readonly acknowledge: boolean;
  readonly to?: string | undefined;
  readonly before?: string | undefined;
  readonly yes?: string | undefined;
  readonly copies: boolean;
}

type Action = (tools: Tools, args: readonly string[], flags: Flags, io: CommandIo) => Promise<number>;

/** The arguments of an action; one in brackets may be left out. */
const ACTIONS: Readonly<Record<string, { readonly takes: readonly string[]; readonly run: Action }>> = {
  enable: { takes: [], run: enable },
  export: { takes: ['[TENANT]'], run: (tools, [id], flags, io) => exportKeys(tools, id, flags, io) },
  import: { takes: ['PATH'], run: (tools, [path = ''], _flags, io) => importKeys(tools, path, io) },
  verify: { takes: ['[TENANT]'], run: (tools, [id], _flags, io) => verifyKeys(tools, id, io) },
  rewrap: { takes: ['TENANT'], run: (tools, [id = ''], { to }, io) => rewrapKeys(tools, id, to, io) },
  destroy: { takes: ['TENANT'], run: (tools, [id = ''], flags, io) => destroyKeys(tools, id, flags, io) },
};

export const branchKeys: Command = {
  name: 'branch-keys',
  summary: 'Manage the keys of compact messages',
  help: `
Usage: vaultspan branch-keys ACTION [--config FILE]

  enable [--replace ID]    name this database in the home vault as the one whose branch keys encrypt; once per deployment
  export [TENANT] [--output FILE [--force]] [--acknowledge]
                           write the branch and index keys of all tenants as NDJSON, wrapped; --acknowledge notes that they are copied
  import PATH              add the keys of an export, or of a folder of copies, that the database lacks or cannot open
  verify [TENANT]          open each key with its vault and print those that do not open
  rewrap TENANT [--to ALIAS]
                           wrap its keys by the newest version of their key, or by another key; no message changes
  destroy TENANT --before DATE --yes TENANT [--copies]
                           destroy the branch keys that encrypted nothing from DATE on; --copies also overwrites their copies

A process with another database, or without one that is named, decrypts compact messages and encrypts none. enable needs the role
"Key Vault Secrets Officer" on the home vault. If it names another database, import that one's branch keys first, stop the processes that
use it, then give its id with --replace.

Tenants that were removed keep their keys: export, import and verify include them. An import never brings a destroyed key back. Exit codes:
0 done; 1 some keys were rejected, not moved or not opened, or the work was stopped; 2 wrong usage. A copy of an SQLite file has the id of its original: delete one of them.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      config: { type: 'string' },
      replace: { type: 'string' },
      output: { type: 'string' },
      force: { type: 'boolean', default: false },
      acknowledge: { type: 'boolean', default: false },
      to: { type: 'string' },
      before: { type: 'string' },
      yes: { type: 'string' },
      copies: { type: 'boolean', default: false },
    });
    const [name = '', ...given] = positionals;
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (!action) {
      const known = Object.keys(ACTIONS);
      if (name !== '') throw new ConfigError(`Unknown action ${name}${didYouMean(name, known)}`);
      throw new ConfigError(`Give one of the actions ${known.join(', ')}`);
    }
    const required = action.takes.filter((argument) => !argument.startsWith('['));
    if (given.length < required.length || given.length > action.takes.length) {
      throw new ConfigError(`Usage: vaultspan branch-keys ${[name, ...action.takes].join(' ')}`);
    }
    await using tools = await openTools(values.config, io);
    return await action.run(tools, given, values, io);
  },
};

async function enable(tools: Tools, _args: readonly string[], { replace }: Flags, io: CommandIo): Promise<number> {
  const { compact } = tools.config.obstacles;
  if (compact !== undefined) throw new ConfigError(compact);
  const result = await enableBranchKeys(tools.home, tools.keyring.keys, replace);
  if (result.isRefused) {
    io.stderr(`The home vault names another database: ${result.named}
  Import its branch keys into this one and stop the processes that use it, then: vaultspan branch-keys enable --replace ${result.named}\n`);
    return 1;
  }
  if (result.isNew) await recordSuccess(tools, tools.call(), { operation: 'branch-keys-enable' });
  io.stdout(`${BRANCH_DATABASE_SECRET}: ${result.isNew ? `is now ${result.id}` : `already is ${result.id}`}\n`);
  return 0;
}

type Enabled =
  | { readonly isRefused: false; readonly isNew: boolean; readonly id: string }
  | { readonly isRefused: true; readonly named: string };

/**
 * Names the database in the home vault, unless it names another one than `replaced`.
 * @throws ServiceError
 */
export async function enableBranchKeys(
  { vault }: Pick<Home, 'vault'>,
  keys: Pick<Store['keyring']['keys'], 'databaseId'>,
  replaced?: string,
): Promise<Enabled> {
  const id = await keys.databaseId();
  const named = await readBranchDatabase(vault);
  if (named === id) return { isRefused: false, isNew: false, id };
  if (named !== undefined && named !== replaced) return { isRefused: true, named };
  await vault.add(BRANCH_DATABASE_SECRET, id, BRANCH_DATABASE_TYPE);
  return { isRefused: false, isNew: true, id };
}

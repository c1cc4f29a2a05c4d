import { BRANCH_DATABASE_SECRET, BRANCH_DATABASE_TYPE, readBranchDatabase } from '../../azure/home/branch-database.ts';
import type { Home } from '../../compose/home.ts';
import type { Store } from '../../compose/store.ts';
import { ConfigError } from '../../config/load-config.ts';
import { didYouMean } from '../../lib/nearest.ts';
import { recordSuccess } from '../../operations/record-success.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { openTools, type Tools } from '../support/open-tools.ts';

interface Flags {
  readonly config?: string | undefined;
  readonly replace?: string | undefined;
}

type Action = (tools: Tools, args: readonly string[], flags: Flags, io: CommandIo) => Promise<number>;

const ACTIONS: Readonly<Record<string, { readonly takes: readonly string[]; readonly run: Action }>> = {
  enable: { takes: [], run: enable },
};

export const branchKeys: Command = {
  name: 'branch-keys',
  summary: 'Manage the keys of compact messages',
  help: `
Usage: vaultspan branch-keys ACTION [--config FILE]

  enable [--replace ID]    name this database in the home vault as the one whose branch keys encrypt; once per deployment

A process with another database, or without one that is named, decrypts compact messages and encrypts none. enable needs the role
"Key Vault Secrets Officer" on the home vault. If it names another database, import that one's branch keys first, stop the processes that
use it, then give its id with --replace. A copy of an SQLite file has the id of its original: delete one of them.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      config: { type: 'string' },
      replace: { type: 'string' },
    });
    const [name = '', ...given] = positionals;
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (!action) {
      const known = Object.keys(ACTIONS);
      if (name !== '') throw new ConfigError(`Unknown action ${name}${didYouMean(name, known)}`);
      throw new ConfigError(`Give one of the actions ${known.join(', ')}`);
    }
    if (given.length !== action.takes.length) {
      throw new ConfigError(`Usage: vaultspan branch-keys ${[name, ...action.takes].join(' ')}`);
    }
    await using tools = await openTools(values.config, io);
    return await action.run(tools, given, values, io);
  },
};

async function enable(tools: Tools, _args: readonly string[], { replace }: Flags, io: CommandIo): Promise<number> {
  const { branchKeys: settings } = tools.config;
  if (settings.compactObstacle !== undefined) throw new ConfigError(settings.compactObstacle);
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

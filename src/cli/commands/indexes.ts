import { ConfigError } from '../../config/load-config.ts';
import { systemClock } from '../../lib/clock.ts';
import { didYouMean } from '../../lib/nearest.ts';
import {
  type ChangeIndexDeps,
  getIndex,
  retireIndexVersion,
  rotateIndex,
  type ShownIndex,
} from '../../operations/indexes/change-index.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { openKeyring } from '../support/open-keyring.ts';
import { openTools, type Tools } from '../support/open-tools.ts';

interface Named {
  readonly tenantId: string;
  readonly name: string;
}

type Action = (
  deps: ChangeIndexDeps,
  tools: Tools,
  index: Named,
  version: string | undefined,
  yes: string | undefined,
) => Promise<ShownIndex>;

const ACTIONS: Readonly<Record<string, { readonly takes: readonly string[]; readonly run: Action }>> = {
  show: { takes: ['TENANT', 'INDEX'], run: (deps, tools, index) => getIndex(deps, tools.call(), index) },
  rotate: { takes: ['TENANT', 'INDEX'], run: (deps, tools, index) => rotateIndex(deps, tools.call(), index) },
  retire: { takes: ['TENANT', 'INDEX', 'VERSION'], run: retire },
};

export const indexes: Command = {
  name: 'indexes',
  summary: 'Show and rotate the keys of look-ups',
  help: `
Usage: vaultspan indexes ACTION [--config FILE]

  show TENANT INDEX        print the versions of an index and the key version that wraps each
  rotate TENANT INDEX      make the next version with the settings of the record; it is written after branchKeys.settleSeconds
  retire TENANT INDEX VERSION --yes INDEX
                           destroy the key of a version that is no longer written: its tokens find nothing, its values cannot be decrypted

A version is pending (searched, not written yet), written, searched or retired. Rewrite the rows of a version before you retire it:
docs/searching.md. rotate also makes the first version of an index, which a running service does automatically at the tenant's next check.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, { config: { type: 'string' }, yes: { type: 'string' } });
    const [action = '', ...given] = positionals;
    const found = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (!found) {
      const known = Object.keys(ACTIONS);
      if (action !== '') throw new ConfigError(`Unknown action ${action}${didYouMean(action, known)}`);
      throw new ConfigError(`Give one of the actions ${known.join(', ')}`);
    }
    if (given.length !== found.takes.length) {
      throw new ConfigError(`Usage: vaultspan indexes ${[action, ...found.takes].join(' ')}`);
    }
    const [tenantId = '', name = '', version] = given;
    await using tools = await openTools(values.config, io);
    await using keyring = await openKeyring(tools);
    const deps = { ...tools, indexKeys: keyring.dataKeys, clock: systemClock };
    const index = await found.run(deps, tools, { tenantId, name }, version, values.yes);
    for (const one of index.versions) {
      io.stdout(
        `${name} ${one.version}: ${one.state}, ${one.bits} bits, ${one.normalize}, made ${one.createdAt}, under ${one.keyId}\n`,
      );
    }
    return 0;
  },
};

async function retire(deps: ChangeIndexDeps, tools: Tools, index: Named, text = '', yes?: string): Promise<ShownIndex> {
  const version = Number(text);
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new ConfigError(`${text} is not a version`);
  if (yes !== index.name) {
    throw new ConfigError(`This destroys the key of version ${text}. Repeat the index: --yes ${index.name}`);
  }
  return retireIndexVersion(deps, tools.call(), { ...index, version });
}

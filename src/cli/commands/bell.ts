import { BELL_KEY_SECRET, HomeKeys } from '../../azure/home/home-keys.ts';
import { ConfigError } from '../../config/load-config.ts';
import { systemClock } from '../../lib/clock.ts';
import { recordSuccess } from '../../operations/record-success.ts';
import { bellDigest, bellOf } from '../../tenants/bells.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { openTools, type Tools } from '../support/open-tools.ts';

export const bell: Command = {
  name: 'bell',
  summary: "Print or renew a customer's doorbell",
  help: `
Usage: vaultspan bell show TENANT [--config FILE]
       vaultspan bell renew TENANT [--config FILE]

Prints the bell that the customer rings after it has revoked access: every process then asks the customer's vault before
the next use, within a second. A bell cannot grant anything. renew replaces it, and the old one no longer works.

It needs ${BELL_KEY_SECRET} in the home vault, which vaultspan init creates.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, { config: { type: 'string' } });
    const [action, tenantId, ...more] = positionals;
    if ((action !== 'show' && action !== 'renew') || tenantId === undefined || more.length > 0) {
      throw new ConfigError('Give show or renew, and one tenant');
    }
    await using tools = await openTools(values.config, io);
    const made = await bellFor(tools, tenantId, action === 'renew' ? 1 : 0);
    await recordSuccess(tools, tools.call(), { operation: `bell-${action}`, tenantId });
    io.stdout(`${made}\n`);
    io.stderr(`The customer rings it with: curl -sS -X POST https://YOUR-SERVICE/doorbell/${made}\n`);
    return 0;
  },
};

async function bellFor({ home, bells, tenants }: Tools, tenantId: string, step: 0 | 1): Promise<string> {
  await tenants.get(tenantId);
  const keys = new HomeKeys({
    name: BELL_KEY_SECRET,
    vault: home.vault,
    clock: systemClock,
    onTrouble: () => undefined,
    onRecovery: () => undefined,
  });
  await keys.load();
  const [key] = keys.current();
  if (!key) throw new Error('no bell key');
  const generation = ((await bells.find(tenantId))?.generation ?? 0) + step;
  const made = bellOf(key, tenantId, generation);
  await bells.put(tenantId, generation, bellDigest(made) ?? '');
  return made;
}

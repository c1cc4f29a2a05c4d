import { BELL_KEY_SECRET } from '../../azure/home/home-keys.ts';
import { ConfigError } from '../../config/load-config.ts';
import { recordSuccess } from '../../operations/record-success.ts';
import { bellAddress, tenantBell } from '../onboarding/tenant-bell.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { openTools } from '../support/open-tools.ts';

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
    const made = await tenantBell(tools, tenantId, action);
    await recordSuccess(tools, tools.call(), { operation: `bell-${action}`, tenantId });
    io.stdout(`${made}\n`);
    io.stderr(`The customer rings it with: curl -sS -X POST ${bellAddress(tools.config, made)}\n`);
    return 0;
  },
};

import { ConfigError } from '../../config/load-config.ts';
import { getOnboarding, type Onboarding } from '../../operations/doctor/onboarding.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { openTools } from '../support/open-tools.ts';

export const onboard: Command = {
  name: 'onboard',
  summary: "Print the onboarding commands for a customer's administrator",
  help: `
Usage: vaultspan onboard TENANT [--json | --script] [--config FILE]

Prints each step with the tenant's real ids: adding the app, the key and its tag, the least role on the key, and the commands that revoke
access. After each step, vaultspan check TENANT shows which steps pass.

  --json     as JSON
  --script   as a shell script that can be run twice`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      json: { type: 'boolean', default: false },
      script: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    const [tenantId, ...more] = positionals;
    if (tenantId === undefined || more.length > 0) throw new ConfigError('Give one tenant');
    await using tools = await openTools(values.config, io);
    const onboarding = await getOnboarding(tools, tools.call(), tenantId);
    if (values.json) io.stdout(`${JSON.stringify(onboarding, undefined, 2)}\n`);
    else io.stdout(values.script ? onboarding.script : describe(onboarding));
    return 0;
  },
};

function describe({ tenantId, steps, takeBack }: Onboarding): string {
  const lines = steps.flatMap(({ title, owner, explanation, commands }, index) => [
    `${index + 1}. ${title} (${owner})`,
    `   ${explanation}`,
    ...commands.map((command) => `   ${command}`),
    '',
  ]);
  const back = takeBack.flatMap(({ title, command }) => [`   ${title}`, `   ${command}`]);
  return [`Onboarding of ${tenantId}`, '', ...lines, 'To revoke access:', ...back, ''].join('\n');
}

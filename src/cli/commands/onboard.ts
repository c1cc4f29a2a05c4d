import { ConfigError } from '../../config/load-config.ts';
import { getOnboarding, type Onboarding } from '../../operations/doctor/onboarding.ts';
import { issueOnboardingLink } from '../../operations/onboarding/links.ts';
import {
  getOnboardingFile,
  ONBOARDING_FORMATS,
  type OnboardingFormat,
} from '../../operations/onboarding/onboarding-file.ts';
import { LINK_GRANTS, type LinkGrant } from '../../tenants/onboarding-links.ts';
import { linkDeps, openLinkMaker } from '../onboarding/link-deps.ts';
import { doorbellOf } from '../onboarding/tenant-bell.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { openTools } from '../support/open-tools.ts';

export const onboard: Command = {
  name: 'onboard',
  summary: "Print the onboarding commands for a customer's administrator",
  help: `
Usage: vaultspan onboard TENANT [--json | --script | --revoke-script | --format FORMAT] [--config FILE]
       vaultspan onboard TENANT --link [--expires DAYS] [--allow records,branch-keys] [--config FILE]

Prints each step with the tenant's real ids: adding the app, the key and its tag, the least role on the key, and the commands that revoke
access and ring the tenant's doorbell. After each step, vaultspan check TENANT shows which steps pass.

  --json            as JSON
  --script          as a shell script that can be run twice
  --revoke-script   a shell script for the customer to keep: it disables the keys and rings the doorbell
  --format FORMAT   the tasks as a file: portal (steps), az (as --script), bicep, terraform, or json with the vendor's contact and addresses
  --link            print a link to the page on which the customer's administrator does the same; whoever has it may use it

  --expires DAYS    the link's life, 1 to 90 days; default 14
  --allow LIST      what the page may read beside the onboarding: records (audit records and receipts), branch-keys (their export)`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      json: { type: 'boolean', default: false },
      script: { type: 'boolean', default: false },
      'revoke-script': { type: 'boolean', default: false },
      format: { type: 'string' },
      link: { type: 'boolean', default: false },
      expires: { type: 'string' },
      allow: { type: 'string' },
      config: { type: 'string' },
    });
    const [tenantId, ...more] = positionals;
    if (tenantId === undefined || more.length > 0) throw new ConfigError('Give one tenant');
    if (!values.link && (values.expires !== undefined || values.allow !== undefined)) {
      throw new ConfigError('--expires and --allow need --link');
    }
    const format = values.format === undefined ? undefined : formatOf(values.format);
    const wanted = { expiresInSeconds: secondsOf(values.expires), allow: grantsOf(values.allow) };
    await using tools = await openTools(values.config, io);
    if (values.link) {
      const deps = linkDeps(tools, await openLinkMaker(tools));
      const { id, url, expiresAt } = await issueOnboardingLink(deps, tools.call(), { tenantId, ...wanted });
      io.stdout(`${url}\n`);
      io.stderr(`Link ${id}, until ${expiresAt}. Revoke it: vaultspan links revoke ${tenantId} ${id}\n`);
      return 0;
    }
    const deps = { ...tools, vendor: tools.config.onboarding, doorbellOf: (id: string) => doorbellOf(tools, id) };
    if (format !== undefined) {
      io.stdout(await getOnboardingFile(deps, tools.call(), { tenantId, format }));
      return 0;
    }
    const onboarding = await getOnboarding(deps, tools.call(), tenantId);
    if (values.json) io.stdout(`${JSON.stringify(onboarding, undefined, 2)}\n`);
    else if (values.script) io.stdout(onboarding.script);
    else io.stdout(values['revoke-script'] ? onboarding.revokeScript : describe(onboarding));
    return 0;
  },
};

const EVENT_GRID =
  'Optional: the vault rings by Event Grid at a new key version, an expired key or a changed access policy. A disabled key has no event.';
const DAY = 86_400;
const MOST_DAYS = 90;

function secondsOf(days: string | undefined): number | undefined {
  if (days === undefined) return undefined;
  if (/^\d{1,2}$/.test(days) && Number(days) >= 1 && Number(days) <= MOST_DAYS) return Number(days) * DAY;
  throw new ConfigError(`--expires is a number of days between 1 and ${MOST_DAYS}, not ${days}`);
}

function formatOf(text: string): OnboardingFormat {
  const format = ONBOARDING_FORMATS.find((known) => known === text);
  if (format === undefined) throw new ConfigError(`--format is one of ${ONBOARDING_FORMATS.join(', ')}, not ${text}`);
  return format;
}

function grantsOf(list: string | undefined): readonly LinkGrant[] | undefined {
  if (list === undefined) return undefined;
  const grants = list.split(',').map((name) => LINK_GRANTS.find((grant) => grant === name));
  if (grants.every((grant) => grant !== undefined)) return grants;
  throw new ConfigError(`--allow takes ${LINK_GRANTS.join(' and ')}, not ${list}`);
}

function describe({ tenantId, steps, takeBack, doorbell }: Onboarding): string {
  const lines = steps.flatMap(({ title, owner, explanation, commands }, index) => [
    `${index + 1}. ${title} (${owner})`,
    `   ${explanation}`,
    ...commands.map((command) => `   ${command}`),
    '',
  ]);
  const back = takeBack.flatMap(({ title, command }) => [`   ${title}`, `   ${command}`]);
  const events = doorbell.eventGrid.map((command) => `   ${command}`);
  return [
    `Onboarding of ${tenantId}`,
    '',
    ...lines,
    'To revoke access:',
    ...back,
    '',
    'Then ring the doorbell:',
    `   ${doorbell.explanation}`,
    `   ${doorbell.ring}`,
    ...(events.length > 0 ? [`   ${EVENT_GRID}`, ...events] : []),
    '',
  ].join('\n');
}

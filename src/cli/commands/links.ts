import { ConfigError } from '../../config/load-config.ts';
import { type ListedLink, listOnboardingLinks, revokeOnboardingLink } from '../../operations/onboarding/links.ts';
import { linkDeps } from '../onboarding/link-deps.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { openTools } from '../support/open-tools.ts';

export const links: Command = {
  name: 'links',
  summary: "List or revoke the links to a customer's page",
  help: `
Usage: vaultspan links list TENANT [--json] [--config FILE]
       vaultspan links revoke TENANT LINK [--config FILE]

Lists the onboarding links of a tenant, the newest first, or revokes the link with this id. A revoked link opens nothing from the
next request on. vaultspan onboard TENANT --link issues one.

  --json   as JSON`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      json: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    const [action, tenantId, linkId, ...more] = positionals;
    const isComplete = (action === 'list' && linkId === undefined) || (action === 'revoke' && linkId !== undefined);
    if (!isComplete || tenantId === undefined || more.length > 0) {
      throw new ConfigError('Give list and one tenant, or revoke, one tenant and the id of a link');
    }
    await using tools = await openTools(values.config, io);
    const deps = linkDeps(tools, undefined);
    if (linkId !== undefined) {
      await revokeOnboardingLink(deps, tools.call(), { tenantId, linkId });
      return 0;
    }
    const found = await listOnboardingLinks(deps, tools.call(), tenantId);
    io.stdout(values.json ? `${JSON.stringify(found, undefined, 2)}\n` : found.links.map(lineOf).join(''));
    return 0;
  },
};

const lineOf = ({ id, state, expiresAt, usedAt, allow, createdBy }: ListedLink): string =>
  `${id}  ${state.padEnd(7)}  until ${expiresAt}  ${usedAt === undefined ? 'never used' : `used ${usedAt}`}  by ${createdBy}${allow.length > 0 ? `  allows ${allow.join(', ')}` : ''}\n`;

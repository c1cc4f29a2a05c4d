import { createKey, grantRole } from '../../tenants/azure-commands.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import { KEY_SIZE_REASON, NEEDED_ROLES, nameOf, PURGE_REASON, type Vendor } from './vendor.ts';

const WIDTH = 110;

/** Returns the text as comment lines of at most a screen's width. */
function comment(mark: string, text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${mark} ${word}`);
  }
  return lines;
}

/** Returns the comment at the beginning of each generated file. */
export function fileHead(mark: string, tenant: Tenant, appId: string, vendor: Vendor): string[] {
  const { vendorContact, egressAddresses } = vendor;
  const lines = [
    `Lets the app of ${nameOf(vendor)} (${appId}) use your keys for its tenant ${tenant.id}, in your directory ${tenant.entraTenantId}.`,
    ...(vendorContact === undefined ? [] : [`Questions: ${vendorContact}`]),
    'Who runs it needs:',
    ...NEEDED_ROLES.map(({ task, role }) => `- ${task}: ${role}`),
    `Key size: ${KEY_SIZE_REASON}`,
    `Purge protection: ${PURGE_REASON}`,
    egressAddresses.length === 0
      ? 'Firewall: if the vault has one, ask for the addresses that the service calls from, or for a private endpoint.'
      : `Firewall: if the vault has one, allow these addresses: ${egressAddresses.join(', ')}`,
  ];
  return lines.flatMap((line) => comment(mark, line));
}

/** Returns the keys in Managed HSMs as comments with their commands. */
export const hsmLines = (mark: string, keys: readonly RegisteredKey[], tenantId: string, appId: string): string[] =>
  keys.length === 0
    ? []
    : [
        ...comment(mark, 'Keys in a Managed HSM are made by its own commands; Azure has no template for its roles:'),
        ...keys.flatMap((key) => [
          `${mark} ${createKey(tenantId, key)}`,
          `${mark} ${grantRole(key, appId).command ?? ''}`,
        ]),
      ];

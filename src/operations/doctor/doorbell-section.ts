import { disableWholeKey, isManagedHsm, vaultArgument } from '../../tenants/azure-commands.ts';
import type { Tenant } from '../../tenants/record.ts';

/** The doorbell as the customer's administrator needs it. */
export interface DoorbellSection {
  readonly explanation: string;
  /** A secret of the customer; absent where it is not known, or not to be shown. */
  readonly address?: string;
  /** Rings it. */
  readonly ring: string;
  /** Commands that make the customer's vaults ring it themselves; none if no vault can. */
  readonly eventGrid: readonly string[];
}

const FILE = 'vaultspan-doorbell.bicep';
/** Azure has no event for a disabled key. */
const EVENTS = ['KeyNewVersionCreated', 'KeyExpired', 'VaultAccessPolicyChanged'];

/** Returns the template of a subscription to the events of one vault. */
const doorbellTemplate = (): string => `param vault string
@secure()
param doorbell string

resource keyVault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vault
}

resource subscription 'Microsoft.EventGrid/eventSubscriptions@2022-06-15' = {
  name: 'vaultspan-doorbell'
  scope: keyVault
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: { endpointUrl: doorbell }
    }
    filter: {
      includedEventTypes: [
${EVENTS.map((event) => `        'Microsoft.KeyVault.${event}'`).join('\n')}
      ]
    }
    eventDeliverySchema: 'EventGridSchema'
  }
}`;

/**
 * Returns the section. Without the address of the bell the commands take it from the environment.
 */
export function doorbellSection(tenant: Tenant, address: string | undefined): DoorbellSection {
  const urls = [...new Set(Object.values(tenant.keys).map(({ vaultUrl }) => vaultUrl))];
  const vaults = urls.filter((url) => !isManagedHsm(url)).map((url) => vaultArgument(url).replace('--vault-name ', ''));
  const bell = address === undefined ? '"$DOORBELL"' : `'${address}'`;
  const set = address === undefined ? ' Set DOORBELL to the address that your vendor gives you.' : '';
  return {
    explanation: `After you revoke access, ring the doorbell: within a second the service must ask your vault again, instead of within the agreed time. It needs no account and cannot grant anything.${set}`,
    ...(address !== undefined && { address }),
    ring: `curl -sS -X POST ${bell}`,
    eventGrid: vaults.length === 0 ? [] : [writeTemplate(), ...vaults.map((vault) => subscribe(vault, bell))],
  };
}

const writeTemplate = (): string => `cat > ${FILE} <<'BICEP'\n${doorbellTemplate()}\nBICEP`;

const subscribe = (vault: string, bell: string): string =>
  `az deployment group create --resource-group "$(az keyvault show --name ${vault} --query resourceGroup -o tsv)" --template-file ${FILE} --parameters vault=${vault} doorbell=${bell}`;

/**
 * Returns a shell script that disables every key in all its versions and rings the doorbell. A key
 * that could not be disabled does not stop the others.
 */
export function revokeScript(tenant: Tenant, address: string | undefined): string {
  return [
    '#!/usr/bin/env bash',
    `# Stops every use of your keys for tenant ${tenant.id}: disables all versions, then rings the doorbell. Needs the Azure CLI and curl.`,
    '# It can be run again. To restore access, enable the versions.',
    'set -uo pipefail',
    `doorbell=\${DOORBELL:-${address ?? ''}}`,
    'failed=0',
    ...Object.values(tenant.keys).map((key) => `${disableWholeKey(key)} >/dev/null || failed=1`),
    '[ "$failed" = 0 ] || echo "A key was not disabled: see above" >&2',
    'if [ -n "$doorbell" ]; then',
    '  curl -fsS -o /dev/null -X POST --retry 5 --retry-all-errors "$doorbell" || failed=1',
    'else',
    '  echo "No doorbell: set DOORBELL to the address from your vendor. Until then the agreed time applies." >&2',
    'fi',
    'exit "$failed"',
    '',
  ].join('\n');
}

import { isManagedHsm, TENANT_TAG } from '../../tenants/azure-commands.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import { fileHead } from './file-head.ts';
import { KEY_SIZE_REASON, nameOf, PURGE_REASON, type Vendor } from './vendor.ts';

/** One task in the Azure portal. */
interface PortalStep {
  readonly title: string;
  readonly actions: readonly string[];
}

/** Returns the tasks of the portal, which cannot add an app to a directory: the first step can. */
export function portalSteps(tenant: Tenant, appId: string, vendor: Vendor): readonly PortalStep[] {
  return Object.values(tenant.keys).flatMap((key) => [keyStep(tenant.id, key), roleStep(key, appId, vendor)]);
}

const vaultOf = ({ vaultUrl }: RegisteredKey): string => new URL(vaultUrl).hostname.split('.')[0] ?? '';

function keyStep(tenantId: string, key: RegisteredKey): PortalStep {
  const isHsm = isManagedHsm(key.vaultUrl);
  return {
    title: `Create the key ${key.name} in ${vaultOf(key)}`,
    actions: [
      `Open portal.azure.com, search for ${vaultOf(key)} and open it.`,
      `Choose Settings, Properties, and check that purge protection is enabled. ${PURGE_REASON}`,
      'Choose Objects, Keys, then Generate/Import. If the key exists already, open its current version and continue with its tag.',
      isHsm
        ? `Name it ${key.name}, as the commands for az show: the portal makes no AES keys.`
        : `Name it ${key.name}, type RSA, 3072 bits. ${KEY_SIZE_REASON}`,
      'Under Permitted operations leave Wrap Key and Unwrap Key only.',
      `Add the tag ${TENANT_TAG} with the value ${tenantId}: the service uses a key for no other tenant than its tag says.`,
    ],
  };
}

const roleStep = (key: RegisteredKey, appId: string, vendor: Vendor): PortalStep => ({
  title: `Grant the role on the key ${key.name}`,
  actions: [
    isManagedHsm(key.vaultUrl)
      ? `Open ${vaultOf(key)}, Local RBAC, and choose the scope /keys/${key.name}.`
      : `In the vault choose Objects, Keys, ${key.name}, then Access control (IAM), Add role assignment.`,
    `Choose the role ${isManagedHsm(key.vaultUrl) ? 'Managed HSM' : 'Key Vault'} Crypto Service Encryption User: it reads, wraps and unwraps with this one key and nothing else.`,
    `Under Members choose Select members and search for the app id ${appId}. It is the app of ${nameOf(vendor)}.`,
    'Choose Review + assign. A new role can take 10 minutes to spread.',
    ...(isManagedHsm(key.vaultUrl)
      ? []
      : [
          'A vault with access policies has no roles on keys: choose Access policies, Create, the key permissions Get, Wrap Key and Unwrap Key, and the same app.',
        ]),
  ],
});

/** Returns the same as a text. */
export function portalText(tenant: Tenant, appId: string, vendor: Vendor): string {
  const add = `0. Add the app\n   az login --tenant ${tenant.entraTenantId} && az ad sp create --id ${appId}\n   or the link on your onboarding page`;
  const steps = portalSteps(tenant, appId, vendor).map(
    ({ title, actions }, index) => `${index + 1}. ${title}\n${actions.map((action) => `   - ${action}`).join('\n')}`,
  );
  return [...fileHead('#', tenant, appId, vendor), '', add, ...steps, ''].join('\n\n').replace(/\n\n#/g, '\n#');
}

import type { Fix } from '../errors.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { kekTypeOf } from '../format/wrap-algorithms.ts';
import type { RegisteredKey } from './record.ts';

/** What a vault's owner pastes to mend a key, with the real names in it. Commands are those of the Azure CLI. */

type KeyName = Pick<KekRef, 'vaultUrl' | 'name'>;

export const isManagedHsm = (vaultUrl: string): boolean => vaultUrl.includes('.managedhsm.');

/** `--vault-name NAME`, or `--hsm-name NAME`: the first label of the host. */
export function vaultArgument(vaultUrl: string): string {
  const name = new URL(vaultUrl).hostname.split('.')[0];
  return `${isManagedHsm(vaultUrl) ? '--hsm-name' : '--vault-name'} ${name}`;
}

function setAttributes(key: KekRef, change: string): string {
  const version = key.keyVersion === '' ? '' : ` --version ${key.keyVersion}`;
  return `az keyvault key set-attributes ${vaultArgument(key.vaultUrl)} --name ${key.name}${version} ${change}`;
}

/** The tag by which a customer says which tenant of ours a key is for. */
export const TENANT_TAG = 'vaultspan-tenant';

/** Makes a key that suits the record, tagged with the tenant that it is for. */
export function createKey(tenantId: string, key: RegisteredKey): string {
  const rsa = isManagedHsm(key.vaultUrl) ? 'RSA-HSM' : 'RSA';
  const kind =
    key.algorithm !== undefined && kekTypeOf(key.algorithm) === 'oct'
      ? '--kty oct-HSM --size 256'
      : `--kty ${rsa} --size 3072`;
  return `az keyvault key create ${vaultArgument(key.vaultUrl)} --name ${key.name} ${kind} --ops wrapKey unwrapKey --tags ${TENANT_TAG}=${tenantId}`;
}

export const enableKey = (key: KekRef): Fix => ({
  owner: 'resource-owner',
  action: 'Enable this key version, or create a new one',
  command: setAttributes(key, '--enabled true'),
});

/** Every version: without one the CLI changes the newest alone, and what older versions sealed would still open. */
export const disableWholeKey = (key: KeyName): string =>
  `az keyvault key list-versions ${vaultArgument(key.vaultUrl)} --name ${key.name} --query '[].kid' -o tsv | xargs -n1 az keyvault key set-attributes --enabled false --id`;

export const activateKey = (key: KekRef): Fix => ({
  owner: 'resource-owner',
  action: "Wait for the key's activation date or move it",
  command: setAttributes(key, `--not-before $(date -u +%Y-%m-%dT%H:%M:%SZ)`),
});

export const renewKey = (key: KeyName): Fix => ({
  owner: 'resource-owner',
  action: 'Create a new version of the key',
  command: `az keyvault key rotate ${vaultArgument(key.vaultUrl)} --name ${key.name}`,
});

export const permitKeyOperations = (key: KekRef): Fix => ({
  owner: 'resource-owner',
  action: 'Permit the operations wrapKey and unwrapKey on the key',
  command: setAttributes(key, '--ops wrapKey unwrapKey'),
});

export const tagKey = (key: KekRef, tenantId: string): Fix => ({
  owner: 'resource-owner',
  action: 'Say by a tag which tenant the key is for',
  command: setAttributes(key, `--tags ${TENANT_TAG}=${tenantId}`),
});

export const recoverKey = (key: KeyName): Fix => ({
  owner: 'resource-owner',
  action: 'Recover the key if it was deleted; otherwise correct its name or version in the record',
  command: `az keyvault key recover ${vaultArgument(key.vaultUrl)} --name ${key.name}`,
});

/** `--assignee` would ask Graph for a principal that may not have spread yet; the object id doesn't. */
export function grantRole(key: KeyName, appId: string): Fix {
  const role = 'Crypto Service Encryption User';
  const principal = `$(az ad sp show --id ${appId} --query id -o tsv)`;
  return {
    owner: 'resource-owner',
    action: 'Grant the app the role on the key; a new grant can take 10 minutes to spread',
    command: isManagedHsm(key.vaultUrl)
      ? `az keyvault role assignment create ${vaultArgument(key.vaultUrl)} --role "Managed HSM ${role}" --assignee-object-id ${principal} --assignee-principal-type ServicePrincipal --scope /keys/${key.name}`
      : `az role assignment create --role "Key Vault ${role}" --assignee-object-id ${principal} --assignee-principal-type ServicePrincipal --scope "$(az keyvault show ${vaultArgument(key.vaultUrl).replace('--vault-name', '--name')} --query id -o tsv)/keys/${key.name}"`,
  };
}

export const grantAccessPolicy = (key: KeyName, appId: string): Fix => ({
  owner: 'resource-owner',
  action: "Permit the app to use the vault's keys",
  command: `az keyvault set-policy ${vaultArgument(key.vaultUrl).replace('--vault-name', '--name')} --spn ${appId} --key-permissions get wrapKey unwrapKey`,
});

export const openFirewall = (key: KeyName): Fix => ({
  owner: 'resource-owner',
  action: "Let the service's egress addresses through the vault's network rules, or give it a private endpoint",
  command: `az keyvault network-rule add ${vaultArgument(key.vaultUrl).replace('--vault-name', '--name')} --ip-address <EGRESS-ADDRESS>`,
});

export const addApp = (entraTenantId: string, appId: string): Fix => ({
  owner: 'customer-admin',
  action: "Add the app to the customer's directory, or correct the directory id in the record",
  command: `az login --tenant ${entraTenantId} --allow-no-subscriptions && az ad sp create --id ${appId}`,
});

export const enableApp = (entraTenantId: string, appId: string): Fix => ({
  owner: 'customer-admin',
  action: "Enable the app's service principal in the customer's directory",
  command: `az login --tenant ${entraTenantId} --allow-no-subscriptions && az ad sp update --id ${appId} --set accountEnabled=true`,
});

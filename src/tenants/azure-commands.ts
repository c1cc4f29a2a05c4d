import type { Fix } from '../errors.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { kekTypeOf, type WrapAlgorithm } from '../format/wrap-algorithms.ts';

/**
 * Commands of the Azure CLI (checked with 2.91) for customers to paste, with the real names in
 * them.
 */

type KeyName = Pick<KekRef, 'vaultUrl' | 'name'>;

/** The members of a key that a command must repeat, because the CLI replaces whole lists. */
export interface KeyContents {
  readonly operations: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
}

/** The tag with which a customer names the tenant of a key. */
export const TENANT_TAG = 'vaultspan-tenant';
const NEEDED = ['wrapKey', 'unwrapKey'];

export const isManagedHsm = (vaultUrl: string): boolean => vaultUrl.includes('.managedhsm.');

const nameOf = (vaultUrl: string): string => new URL(vaultUrl).hostname.split('.')[0] ?? '';

/**
 * Returns the argument of `az keyvault key`: `--vault-name NAME` or `--hsm-name NAME`, the first
 * label of the host.
 */
export const vaultArgument = (vaultUrl: string): string =>
  `${isManagedHsm(vaultUrl) ? '--hsm-name' : '--vault-name'} ${nameOf(vaultUrl)}`;

/** Returns the argument of `az keyvault` itself: `--name NAME` or `--hsm-name NAME`. */
const resourceArgument = (vaultUrl: string): string =>
  `${isManagedHsm(vaultUrl) ? '--hsm-name' : '--name'} ${nameOf(vaultUrl)}`;

/** Returns the text as one word of a POSIX shell. Tags are the customer's own text. */
const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

const keyCommand = (action: string, { vaultUrl, name }: KeyName): string =>
  `az keyvault key ${action} ${vaultArgument(vaultUrl)} --name ${name}`;

/** Returns the command for the version that the key names, or for the newest. */
const versionCommand = (action: string, key: KekRef): string =>
  `${keyCommand(action, key)}${key.keyVersion === '' ? '' : ` --version ${key.keyVersion}`}`;

const tagsArgument = (tags: Readonly<Record<string, string>>): string =>
  `--tags ${Object.entries(tags)
    .map(([name, value]) => shellWord(`${name}=${value}`))
    .join(' ')}`;

const withNeeded = (operations: readonly string[]): string => [...new Set([...operations, ...NEEDED])].join(' ');

/** Returns the command that makes a key, or a version of it, with the tag of its tenant. */
export function createKey(
  tenantId: string,
  key: KeyName & { readonly algorithm?: WrapAlgorithm },
  { operations, tags }: KeyContents = { operations: [] },
): string {
  const isOct = key.algorithm !== undefined && kekTypeOf(key.algorithm) === 'oct';
  const rsa = isManagedHsm(key.vaultUrl) ? 'RSA-HSM' : 'RSA';
  const kind = isOct ? '--kty oct-HSM --size 256' : `--kty ${rsa} --size 3072`;
  const allTags = tagsArgument({ ...tags, [TENANT_TAG]: tenantId });
  return `${keyCommand('create', key)} ${kind} --ops ${withNeeded(operations)} ${allTags}`;
}

export const enableKey = (key: KekRef): Fix => ({
  owner: 'resource-owner',
  action: 'Enable this key version, or create a new one',
  command: `${versionCommand('set-attributes', key)} --enabled true`,
});

/**
 * Returns the command for every version: without one the CLI changes only the newest, and older
 * messages would still open.
 */
export const disableWholeKey = (key: KeyName): string =>
  `${keyCommand('list-versions', key)} --query '[].kid' -o tsv | xargs -n1 az keyvault key set-attributes --enabled false --id`;

export const activateKey = (key: KekRef): Fix => ({
  owner: 'resource-owner',
  action: 'Wait for the activation date of the key, or change it',
  command: `${versionCommand('set-attributes', key)} --not-before $(date -u +%Y-%m-%dT%H:%M:%SZ)`,
});

/**
 * Returns the command for a new version. An HSM rotates only a key that has a rotation policy,
 * while `create` makes a new version of any key.
 */
export const renewKey = (
  tenantId: string,
  key: KeyName & { readonly algorithm?: WrapAlgorithm },
  contents?: KeyContents,
): Fix => ({
  owner: 'resource-owner',
  action: 'Create a new version of the key',
  command: isManagedHsm(key.vaultUrl) ? createKey(tenantId, key, contents) : keyCommand('rotate', key),
});

/**
 * Returns the fix for missing key operations. Without the contents of the key, the command reads
 * the present operations.
 */
export function permitKeyOperations(key: KekRef, contents?: KeyContents): Fix {
  const present = `${versionCommand('show', key)} --query 'key.keyOps' -o tsv`;
  const operations = contents
    ? withNeeded(contents.operations)
    : `$( { ${present}; printf '%s\\n' ${NEEDED.join(' ')}; } | sort -u)`;
  return {
    owner: 'resource-owner',
    action: 'Allow the operations wrapKey and unwrapKey on the key',
    command: `${versionCommand('set-attributes', key)} --ops ${operations}`,
  };
}

/** Returns the fix for an EC key, which can't wrap, whatever its operations are. */
export const replaceKey = (tenantId: string, key: KeyName): Fix => ({
  owner: 'resource-owner',
  action: "Create an RSA key, under a new name or as a new version, and register it in the tenant's record",
  command: createKey(tenantId, key),
});

export const tagKey = (key: KekRef, tenantId: string, { tags }: Pick<KeyContents, 'tags'>): Fix => ({
  owner: 'resource-owner',
  action: "Add the tag with the id of the key's tenant",
  command: `${versionCommand('set-attributes', key)} ${tagsArgument({ ...tags, [TENANT_TAG]: tenantId })}`,
});

export const recoverKey = (key: KeyName): Fix => ({
  owner: 'resource-owner',
  action: 'Recover the key if it was deleted; otherwise correct its name or version in the record',
  command: keyCommand('recover', key),
});

/** Returns the role and the scope of one key, as `az … role assignment` takes them. */
function roleAssignment(key: KeyName): {
  readonly command: string;
  readonly role: string;
  readonly scope: string;
} {
  const role = 'Crypto Service Encryption User';
  return isManagedHsm(key.vaultUrl)
    ? {
        command: `az keyvault role assignment`,
        role: `${vaultArgument(key.vaultUrl)} --role "Managed HSM ${role}"`,
        scope: `/keys/${key.name}`,
      }
    : {
        command: 'az role assignment',
        role: `--role "Key Vault ${role}"`,
        scope: `"$(az keyvault show ${resourceArgument(key.vaultUrl)} --query id -o tsv)/keys/${key.name}"`,
      };
}

/**
 * Returns the fix for a missing role. `--assignee` would look up a principal in Graph that may not
 * have propagated yet; the object id does not.
 */
export function grantRole(key: KeyName, appId: string): Fix {
  const { command, role, scope } = roleAssignment(key);
  const principal = `$(az ad sp show --id ${appId} --query id -o tsv)`;
  return {
    owner: 'resource-owner',
    action: 'Grant the app the role on the key; a new grant can take 10 minutes to spread',
    command: `${command} create ${role} --assignee-object-id ${principal} --assignee-principal-type ServicePrincipal --scope ${scope}`,
  };
}

/** Returns the command that removes the role. */
export function withdrawRole(key: KeyName, appId: string): string {
  const { command, role, scope } = roleAssignment(key);
  return `${command} delete ${role} --assignee $(az ad sp show --id ${appId} --query id -o tsv) --scope ${scope}`;
}

/** Returns the fix for a missing access policy. An HSM has none, and `set-policy` takes none. */
export const grantAccessPolicy = (key: KeyName, appId: string): Fix => ({
  owner: 'resource-owner',
  action: "Allow the app to use the vault's keys",
  command: `az keyvault set-policy --name ${nameOf(key.vaultUrl)} --spn ${appId} --key-permissions get wrapKey unwrapKey`,
});

export const openFirewall = (key: KeyName): Fix => ({
  owner: 'resource-owner',
  action: "Add the service's egress addresses to the vault's network rules, or give the service a private endpoint",
  command: `az keyvault network-rule add ${resourceArgument(key.vaultUrl)} --ip-address <EGRESS-ADDRESS>`,
});

/**
 * Returns the fix for disabled public access. Network rules change nothing while it is disabled.
 */
export function openPublicAccess(key: KeyName): Fix {
  const update = isManagedHsm(key.vaultUrl) ? 'update-hsm' : 'update';
  return {
    owner: 'resource-owner',
    action: 'Give the service a private endpoint, or enable public network access for its egress addresses only',
    command: `az keyvault ${update} ${resourceArgument(key.vaultUrl)} --public-network-access Enabled --default-action Deny && ${openFirewall(key).command}`,
  };
}

const GRAPH_APP = '00000003-0000-0000-c000-000000000000';

/**
 * Returns the command that consents to one application permission of Graph. Unlike a link, it needs
 * no redirect URI of the app.
 */
export function consentToGraph(appId: string, permission: string): string {
  const assignments = '$(az cloud show --query endpoints.microsoftGraphResourceId -o tsv)v1.0/servicePrincipals';
  const principal = `$(az ad sp show --id ${appId} --query id -o tsv)`;
  const resource = `$(az ad sp show --id ${GRAPH_APP} --query id -o tsv)`;
  const role = `$(az ad sp show --id ${GRAPH_APP} --query "appRoles[?value=='${permission}'].id" -o tsv)`;
  const body = `{\\"principalId\\":\\"${principal}\\",\\"resourceId\\":\\"${resource}\\",\\"appRoleId\\":\\"${role}\\"}`;
  return `az rest --method POST --url "${assignments}/${principal}/appRoleAssignments" --body "${body}"`;
}

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

import { kekTypeOf } from '../../format/wrap-algorithms.ts';
import { createKey, isManagedHsm, TENANT_TAG, vaultArgument } from '../../tenants/azure-commands.ts';
import { graphPermissions } from '../../tenants/directory-facts.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';

/**
 * Returns every step as one shell script. It checks before it changes anything, so that it can run
 * twice. Each command substitution is in an assignment of its own, so that `set -e` detects its
 * failure.
 */
export function onboardingScript(tenant: Tenant, appId: string): string {
  const permissions = graphPermissions(tenant);
  const keys = Object.values(tenant.keys);
  return [
    HEAD,
    `# Allows the vendor's app to use your keys for its tenant ${tenant.id}. Needs the Azure CLI. It can be run again.`,
    '# It searches your subscriptions for the vault; set AZURE_SUBSCRIPTION to search only that one.',
    'set -euo pipefail',
    `directory=${tenant.entraTenantId}`,
    `app=${appId}`,
    `tag=${TENANT_TAG}=${tenant.id}`,
    SIGN_IN,
    ...(permissions.length > 0 ? ['', ALLOW_GRAPH, ...permissions.map((name) => `allow_graph ${name}`)] : []),
    '',
    FIND_SUBSCRIPTION,
    '',
    TAG_KEY,
    ...keys.flatMap((key) => keyLines(tenant, key)),
    '',
    'echo "Done. A new role can take 10 minutes to spread."',
    '',
  ].join('\n');
}

const HEAD = '#!/usr/bin/env bash';

const SIGN_IN = `
current=$(az account show --query tenantId -o tsv 2>/dev/null || true)
[ "$current" = "$directory" ] || az login --tenant "$directory" --allow-no-subscriptions --output none
principal=$(az ad sp list --filter "appId eq '$app'" --query '[].id' -o tsv)
[ -n "$principal" ] || principal=$(az ad sp create --id "$app" --query id -o tsv)
[ -n "$principal" ] || { echo "The app has no service principal in your directory" >&2; exit 1; }`;

/**
 * An admin-consent link would need a redirect URI of the app, and would grant everything that the
 * app declares.
 */
const ALLOW_GRAPH = `allow_graph() { # PERMISSION
  local graph resource role present
  graph=$(az cloud show --query endpoints.microsoftGraphResourceId -o tsv)
  graph=\${graph%/}
  resource=$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query id -o tsv)
  role=$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query "appRoles[?value=='$1'].id" -o tsv)
  [ -n "$role" ] || { echo "Microsoft Graph has no permission $1" >&2; exit 1; }
  present=$(az rest --method GET --url "$graph/v1.0/servicePrincipals/$principal/appRoleAssignments" --query "value[?appRoleId=='$role'].id" -o tsv)
  [ -n "$present" ] || az rest --method POST --url "$graph/v1.0/servicePrincipals/$principal/appRoleAssignments" --output none \\
    --body "{\\"principalId\\":\\"$principal\\",\\"resourceId\\":\\"$resource\\",\\"appRoleId\\":\\"$role\\"}"
}`;

const FIND_SUBSCRIPTION = `use_subscription_of() { # --name VAULT | --hsm-name HSM
  local subscription candidates=\${AZURE_SUBSCRIPTION:-}
  [ -n "$candidates" ] || candidates=$(az account list --query "[?tenantId=='$directory' && state=='Enabled'].id" -o tsv)
  for subscription in $candidates; do
    if az keyvault show --subscription "$subscription" "$@" --output none 2>/dev/null; then
      az account set --subscription "$subscription"
      return
    fi
  done
  echo "None of your subscriptions has the vault $2, or you have no access to it" >&2
  exit 1
}`;

/** The CLI replaces all tags of a key, so the command repeats the existing ones. */
const TAG_KEY = `tag_key() { # ARGUMENTS OF THE KEY
  local present names values tags=()
  present=$(az keyvault key show "$@" --query 'tags."${TENANT_TAG}"' -o tsv)
  [ "${TENANT_TAG}=$present" != "$tag" ] || return 0
  [ -z "$present" ] || { echo "The key is tagged for another tenant, $present" >&2; exit 1; }
  names=$(az keyvault key show "$@" --query 'keys(tags || \`{}\`)' -o tsv)
  values=$(az keyvault key show "$@" --query 'values(tags || \`{}\`)' -o tsv)
  while IFS= read -r word; do [ -z "$word" ] || tags+=("$word"); done < <(
    [ -z "$names" ] || paste -d= <(printf '%s\\n' "$names") <(printf '%s\\n' "$values"))
  az keyvault key set-attributes "$@" --tags \${tags[@]+"\${tags[@]}"} "$tag" --output none
}`;

function keyLines(tenant: Tenant, key: RegisteredKey): string[] {
  const name = vaultArgument(key.vaultUrl);
  const resource = name.replace('--vault-name', '--name');
  const ofKey = `${name} --name ${key.name}`;
  return [
    '',
    `use_subscription_of ${resource}`,
    ...purgeProtection(key.vaultUrl, resource),
    `az keyvault key show ${ofKey} --output none 2>/dev/null || ${createKey(tenant.id, key)} --output none`,
    ...typeLines(key, ofKey),
    `tag_key ${ofKey}`,
    ...(isManagedHsm(key.vaultUrl) ? hsmAccess(key, name) : vaultAccess(key, resource)),
  ];
}

/**
 * Returns the commands. Purge protection cannot be disabled again, which is its purpose: a purged
 * key is lost, and the data with it.
 */
function purgeProtection(vaultUrl: string, resource: string): string[] {
  const update = isManagedHsm(vaultUrl) ? 'update-hsm' : 'update';
  return [
    `protected=$(az keyvault show ${resource} --query properties.enablePurgeProtection -o tsv)`,
    `[ "$protected" = true ] || az keyvault ${update} ${resource} --enable-purge-protection true --output none`,
  ];
}

function typeLines({ algorithm, name }: RegisteredKey, ofKey: string): string[] {
  const type = algorithm !== undefined && kekTypeOf(algorithm) === 'oct' ? 'oct' : 'RSA';
  return [
    `kind=$(az keyvault key show ${ofKey} --query key.kty -o tsv)`,
    `case $kind in ${type}*) ;; *) echo "The key ${name} is of type $kind; the service needs ${type}" >&2; exit 1 ;; esac`,
  ];
}

/**
 * Returns the commands. A Managed HSM refuses a second assignment of the same role, so the script
 * looks for the first.
 */
const hsmAccess = ({ name }: RegisteredKey, hsm: string): string[] => [
  `role="Managed HSM Crypto Service Encryption User"`,
  `assigned=$(az keyvault role assignment list ${hsm} --role "$role" --assignee "$principal" --scope /keys/${name} --query '[].id' -o tsv)`,
  `[ -n "$assigned" ] || az keyvault role assignment create ${hsm} --role "$role" --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal --scope /keys/${name} --output none`,
];

const vaultAccess = ({ name }: RegisteredKey, resource: string): string[] => [
  `vault=$(az keyvault show ${resource} --query id -o tsv)`,
  `uses_roles=$(az keyvault show ${resource} --query properties.enableRbacAuthorization -o tsv)`,
  'if [ "$uses_roles" = true ]; then',
  '  role="Key Vault Crypto Service Encryption User"',
  `  assigned=$(az role assignment list --role "$role" --assignee "$principal" --scope "$vault/keys/${name}" --query '[].id' -o tsv)`,
  `  [ -n "$assigned" ] || az role assignment create --role "$role" --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal --scope "$vault/keys/${name}" --output none`,
  'else',
  `  az keyvault set-policy ${resource} --spn "$app" --key-permissions get wrapKey unwrapKey --output none`,
  'fi',
];

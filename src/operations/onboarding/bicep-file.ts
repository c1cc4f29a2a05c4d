import { TENANT_TAG } from '../../tenants/azure-commands.ts';
import type { Tenant } from '../../tenants/record.ts';
import { fileHead, hsmLines } from './file-head.ts';
import { keysByVault, type VaultKeys } from './keys-by-vault.ts';
import type { Vendor } from './vendor.ts';

/** Key Vault Crypto Service Encryption User. */
const ROLE_ID = 'e147488a-f6f5-4113-8e2d-b22465e65bf6';
const KEYS = 'Microsoft.KeyVault/vaults/keys@2023-07-01';

/** Returns the Bicep file for the resource groups of a tenant's vaults. */
export function bicepFile(tenant: Tenant, appId: string, vendor: Vendor): string {
  const { vaults, hsmKeys } = keysByVault(tenant);
  const names = vaults.map(({ vaultName }) => vaultName);
  const deploy = `//   az deployment group create --resource-group RESOURCE-GROUP --template-file vaultspan-${tenant.id}.bicep --parameters principalId="$(az ad sp show --id ${appId} --query id -o tsv)"`;
  return [
    ...fileHead('//', tenant, appId, vendor),
    '// First add the app to your directory: Bicep cannot.',
    `//   az login --tenant ${tenant.entraTenantId} && az ad sp create --id ${appId}`,
    `// Then deploy into the resource group of the vault${names.length > 1 ? '; of several groups, once for each, with its vaults in the parameter' : ''}:`,
    deploy,
    ...names.map((name) => `//   az keyvault update --name ${name} --enable-purge-protection true`),
    ...hsmLines('//', hsmKeys, tenant.id, appId),
    ...(vaults.length === 0
      ? []
      : ['', ...parameters(names), ...vaults.flatMap((vault) => vaultLines(tenant.id, vault))]),
    '',
  ].join('\n');
}

const parameters = (vaultNames: readonly string[]): string[] => [
  "targetScope = 'resourceGroup'",
  '',
  "@description('Object id of the app in your directory')",
  'param principalId string',
  '',
  "@description('The vaults of this resource group')",
  `param vaults array = [${vaultNames.map((name) => `'${name}'`).join(', ')}]`,
  '',
  `@description('false if the keys exist: then give each the tag ${TENANT_TAG} yourself')`,
  'param createKeys bool = true',
  '',
  "@description('roles: Azure roles decide about the vault. policies: it has access policies')",
  "@allowed(['roles', 'policies'])",
  "param accessModel string = 'roles'",
  '',
  `var encryptionUser = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '${ROLE_ID}')`,
];

const vaultLines = (tenantId: string, { symbol, vaultName, keys }: VaultKeys): string[] => [
  '',
  `resource ${symbol} 'Microsoft.KeyVault/vaults@2023-07-01' existing = {`,
  `  name: '${vaultName}'`,
  '}',
  '',
  `resource ${symbol}Policy 'Microsoft.KeyVault/vaults/accessPolicies@2023-07-01' = if (accessModel == 'policies' && contains(vaults, '${vaultName}')) {`,
  `  parent: ${symbol}`,
  "  name: 'add'",
  '  properties: {',
  '    accessPolicies: [',
  '      {',
  '        tenantId: subscription().tenantId',
  '        objectId: principalId',
  "        permissions: { keys: ['get', 'wrapKey', 'unwrapKey'] }",
  '      }',
  '    ]',
  '  }',
  '}',
  ...keys.flatMap(({ symbol: keySymbol, key: { name } }) => [
    '',
    `resource ${keySymbol} '${KEYS}' = if (createKeys && contains(vaults, '${vaultName}')) {`,
    `  parent: ${symbol}`,
    `  name: '${name}'`,
    `  tags: { '${TENANT_TAG}': '${tenantId}' }`,
    '  properties: {',
    "    kty: 'RSA'",
    '    keySize: 3072',
    "    keyOps: ['wrapKey', 'unwrapKey']",
    '  }',
    '}',
    '',
    `resource ${keySymbol}Scope '${KEYS}' existing = {`,
    `  parent: ${symbol}`,
    `  name: '${name}'`,
    '}',
    '',
    `resource ${keySymbol}Role 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (accessModel == 'roles' && contains(vaults, '${vaultName}')) {`,
    `  name: guid(${symbol}.id, '${name}', principalId, encryptionUser)`,
    `  scope: ${keySymbol}Scope`,
    `  dependsOn: [${keySymbol}]`,
    '  properties: {',
    '    roleDefinitionId: encryptionUser',
    '    principalId: principalId',
    "    principalType: 'ServicePrincipal'",
    '  }',
    '}',
  ]),
];

import {
  addApp,
  createKey,
  grantAccessPolicy,
  grantRole,
  isManagedHsm,
  vaultArgument,
} from '../../tenants/azure-commands.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';

/** Every step as one shell script. It looks before it creates, so that it can be run twice. */
export function onboardingScript(tenant: Tenant, appId: string): string {
  const [login = '', create = ''] = (addApp(tenant.entraTenantId, appId).command ?? '').split(' && ');
  return [
    '#!/usr/bin/env bash',
    `# Lets the vendor's app ${appId} use keys of yours, for its tenant ${tenant.id}. Needs the Azure CLI; can be run twice.`,
    'set -euo pipefail',
    `[ "$(az account show --query tenantId -o tsv 2>/dev/null)" = ${tenant.entraTenantId} ] || ${login}`,
    `az ad sp show --id ${appId} >/dev/null 2>&1 || ${create}`,
    ...Object.values(tenant.keys).flatMap((key) => keyLines(tenant, key, appId)),
    `echo "Done. A new role can take 10 minutes to spread."`,
    '',
  ].join('\n');
}

function keyLines(tenant: Tenant, key: RegisteredKey, appId: string): string[] {
  const argument = vaultArgument(key.vaultUrl);
  const role = grantRole(key, appId).command ?? '';
  const ensureKey = `az keyvault key show ${argument} --name ${key.name} >/dev/null 2>&1 || ${createKey(tenant.id, key)}`;
  if (isManagedHsm(key.vaultUrl)) return ['', ensureKey, role];
  const usesRoles = `az keyvault show ${argument.replace('--vault-name', '--name')} --query properties.enableRbacAuthorization -o tsv`;
  return [
    '',
    ensureKey,
    `if [ "$(${usesRoles})" = true ]; then`,
    `  ${role}`,
    'else',
    `  ${grantAccessPolicy(key, appId).command}`,
    'fi',
  ];
}

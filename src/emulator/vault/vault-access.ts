import type { Cloud } from '../cloud.ts';
import type { VaultState } from '../state.ts';
import { forbidden, VaultRefusal } from './vault-refusal.ts';

export type Area = 'keys' | 'secrets';

interface Role {
  readonly keys?: readonly string[];
  readonly secrets?: readonly string[];
}

const ALL = ['*'];
const wrapping = ['get', 'wrapKey', 'unwrapKey'];
const cryptoUser = [...wrapping, 'list', 'update', 'encrypt', 'decrypt', 'sign', 'verify'];

/** The data plane actions of Azure's built-in roles. */
const roles: Readonly<Record<string, Role>> = {
  'Key Vault Crypto Service Encryption User': { keys: wrapping },
  'Key Vault Crypto User': { keys: cryptoUser },
  'Key Vault Crypto Officer': { keys: ALL },
  'Key Vault Secrets User': { secrets: ['get', 'list'] },
  'Key Vault Secrets Officer': { secrets: ALL },
  'Key Vault Administrator': { keys: ALL, secrets: ALL },
  'Key Vault Reader': { keys: ['get', 'list'], secrets: ['list'] },
  'Managed HSM Crypto Service Encryption User': { keys: wrapping },
  'Managed HSM Crypto User': { keys: cryptoUser },
  'Managed HSM Crypto Officer': { keys: ALL },
};

export const roleNames: readonly string[] = Object.keys(roles);

/** RBAC's name of each operation: the path after `Microsoft.KeyVault/vaults/`. */
const actions: Readonly<Record<string, string>> = {
  'keys.get': 'keys/read',
  'keys.list': 'keys/read',
  'keys.wrapKey': 'keys/wrap/action',
  'keys.unwrapKey': 'keys/unwrap/action',
  'secrets.get': 'secrets/getSecret/action',
  'secrets.list': 'secrets/readMetadata/action',
};

export interface AccessRequest {
  readonly objectId: string;
  readonly appId: string;
  readonly area: Area;
  readonly permission: string;
  /** Absent: the whole vault (a list). */
  readonly item?: string | undefined;
}

export function assertAllowed(cloud: Cloud, vault: VaultState, request: AccessRequest): void {
  const isAllowed = vault.accessModel === 'rbac' ? allowedByRole : allowedByPolicy;
  if (!isAllowed(vault, request, cloud.now())) throw refusal(vault, request);
}

function allowedByRole(vault: VaultState, request: AccessRequest, nowMs: number): boolean {
  return vault.roleAssignments.some((assignment) => {
    if (assignment.objectId !== request.objectId || !isInForce(assignment, nowMs)) return false;
    const isInScope = assignment.key === undefined || (request.area === 'keys' && assignment.key === request.item);
    return isInScope && includes(roles[assignment.role]?.[request.area], request.permission);
  });
}

function allowedByPolicy(vault: VaultState, request: AccessRequest, nowMs: number): boolean {
  return vault.accessPolicies.some(
    (policy) =>
      policy.objectId === request.objectId &&
      isInForce(policy, nowMs) &&
      includes(policy[request.area], request.permission),
  );
}

const isInForce = ({ fromMs, untilMs }: { fromMs: number; untilMs?: number }, nowMs: number): boolean =>
  fromMs <= nowMs && (untilMs === undefined || nowMs < untilMs);

/** Returns whether a policy has a permission; access policies spell permissions in any case. */
const includes = (permissions: readonly string[] = [], wanted: string): boolean =>
  permissions.some((permission) => permission === '*' || permission.toLowerCase() === wanted.toLowerCase());

function refusal(vault: VaultState, { area, permission, item, objectId, appId }: AccessRequest): VaultRefusal {
  const action = actions[`${area}.${permission}`] ?? `${area}/${permission}/action`;
  if (vault.kind === 'hsm') return hsmRefusal(action);
  const caller = `appid=${appId};oid=${objectId}`;
  if (vault.accessModel === 'policy') {
    return forbidden(
      'ForbiddenByPolicy',
      `The application '${caller}' does not have ${area} ${permission} permission on key vault '${vault.name}'.`,
    );
  }
  return forbidden(
    'ForbiddenByRbac',
    [
      'Caller is not authorized to perform this action on the resource; a recent change of roles may not have spread yet.',
      `Caller: ${caller}`,
      `Action: 'Microsoft.KeyVault/vaults/${action}'`,
      `Resource: '${vault.name}${item === undefined ? '' : `/${area}/${item}`}'`,
      'Assignment: (not found)',
    ].join('\r\n'),
  );
}

/**
 * Returns a Managed HSM's refusal, which has no inner code:
 * https://github.com/Azure/azure-cli/issues/32719
 */
const hsmRefusal = (action: string): VaultRefusal =>
  new VaultRefusal(403, 'AccessDenied', `Not authorized to access Microsoft.KeyVault/managedHsm/${action}`);

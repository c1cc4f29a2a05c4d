import { type Cloud, findPrincipal, getVault, managedIdentity } from '../cloud.ts';
import type { RoleAssignment, VaultState } from '../state.ts';
import { roleNames } from '../vault/vault-access.ts';
import type { Actions } from './control.ts';

type AccessActions = Pick<
  Actions,
  'grantRole' | 'removeRole' | 'setAccessPolicy' | 'removeAccessPolicy' | 'setPropagationDelay'
>;

/**
 * Returns the actions that grant and remove access to a vault. A vault uses roles or access
 * policies, whichever was set last.
 */
export function accessActions(cloud: Cloud): AccessActions {
  return {
    async grantRole({ vault: vaultName, role, key, principal }) {
      const vault = getVault(cloud.state, vaultName);
      if (!roleNames.includes(role))
        throw new RangeError(`There is no role "${role}"; there are: ${roleNames.join(', ')}`);
      const objectId = objectIdOf(cloud, vault, principal);
      vault.accessModel = 'rbac';
      vault.roleAssignments = [
        ...withoutPast(cloud, vault.roleAssignments),
        { objectId, role, fromMs: cloud.now() + vault.propagationDelayMs, ...(key !== undefined && { key }) },
      ];
      cloud.changed();
    },
    async removeRole({ vault: vaultName, role, key, principal }) {
      const vault = getVault(cloud.state, vaultName);
      const objectId = objectIdOf(cloud, vault, principal);
      const isMeant = (assignment: RoleAssignment): boolean =>
        assignment.objectId === objectId &&
        (role === undefined || assignment.role === role) &&
        (key === undefined || assignment.key === key);
      for (const assignment of vault.roleAssignments.filter(isMeant)) end(cloud, vault, assignment);
      vault.roleAssignments = withoutPast(cloud, vault.roleAssignments);
      cloud.changed();
    },
    async setAccessPolicy({ vault: vaultName, keys = [], secrets = [], principal }) {
      const vault = getVault(cloud.state, vaultName);
      const objectId = objectIdOf(cloud, vault, principal);
      vault.accessModel = 'policy';
      endPolicies(cloud, vault, objectId);
      vault.accessPolicies.push({ objectId, keys, secrets, fromMs: cloud.now() + vault.propagationDelayMs });
      cloud.changed();
    },
    async removeAccessPolicy({ vault: vaultName, principal }) {
      const vault = getVault(cloud.state, vaultName);
      endPolicies(cloud, vault, objectIdOf(cloud, vault, principal));
      cloud.changed();
    },
    async setPropagationDelay({ vault: vaultName, delayMs }) {
      const vaults = vaultName === undefined ? cloud.state.vaults : [getVault(cloud.state, vaultName)];
      for (const vault of vaults) vault.propagationDelayMs = delayMs;
      cloud.changed();
    },
  };
}

function objectIdOf(cloud: Cloud, vault: VaultState, principal = 'app'): string {
  if (principal === 'managed-identity') return managedIdentity(cloud.state).objectId;
  if (principal !== 'app') return principal;
  const tenant = cloud.state.tenants.find(({ tenantId }) => tenantId === vault.tenantId);
  const app = tenant === undefined ? undefined : findPrincipal(tenant, cloud.state.appId);
  if (app === undefined) throw new RangeError(`The app has not been added to the tenant of "${vault.name}" (add-app)`);
  return app.objectId;
}

function endPolicies(cloud: Cloud, vault: VaultState, objectId: string): void {
  for (const policy of vault.accessPolicies) if (policy.objectId === objectId) end(cloud, vault, policy);
  vault.accessPolicies = withoutPast(cloud, vault.accessPolicies);
}

/** Ends a grant. Removing it twice can bring the end forward, never postpone it. */
function end(cloud: Cloud, vault: VaultState, grant: { untilMs?: number }): void {
  grant.untilMs = Math.min(grant.untilMs ?? Number.POSITIVE_INFINITY, cloud.now() + vault.propagationDelayMs);
}

const withoutPast = <Grant extends { untilMs?: number }>(cloud: Cloud, grants: readonly Grant[]): Grant[] =>
  grants.filter(({ untilMs }) => untilMs === undefined || untilMs > cloud.now());

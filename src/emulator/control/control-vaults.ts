import { randomUUID } from 'node:crypto';
import { getTenantByName, getVault } from '../cloud.ts';
import { entraOperations } from '../entra/entra.ts';
import { graphOperations } from '../graph/graph.ts';
import { newVault } from '../seed.ts';
import { vaultOperations } from '../vault/vault-routes.ts';
import type { Actions, ControlDeps } from './control.ts';

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const SHORT_NAME = /^[a-z][a-z\d-]{1,30}$/;

const operations: readonly string[] = [...entraOperations, ...graphOperations, 'challenge', ...vaultOperations];

type VaultActions = Pick<
  Actions,
  | 'setFirewall'
  | 'deleteVault'
  | 'restoreVault'
  | 'setVaultOptions'
  | 'addTenant'
  | 'addVault'
  | 'injectFault'
  | 'clearFaults'
>;

/** Returns the actions on whole vaults and tenants, and those that order failures. */
export function vaultActions({ cloud, faults, openVault, dropConnections }: ControlDeps): VaultActions {
  const { state } = cloud;
  return {
    async setFirewall({ vault, deny }) {
      getVault(state, vault).isFirewalled = deny;
      cloud.changed();
    },
    async deleteVault({ vault }) {
      getVault(state, vault).isDeleted = true;
      dropConnections(vault);
      cloud.changed();
    },
    async restoreVault({ vault }) {
      getVault(state, vault).isDeleted = false;
      cloud.changed();
    },
    async setVaultOptions(order) {
      const vault = getVault(state, order.vault);
      if (order.pageSize !== undefined && order.pageSize < 1) throw new RangeError('pageSize must be at least 1');
      vault.hasPurgeProtection = order.purgeProtection ?? vault.hasPurgeProtection;
      vault.disabledKeysReadable = order.disabledKeysReadable ?? vault.disabledKeysReadable;
      vault.pageSize = order.pageSize ?? vault.pageSize;
      vault.operationsPerSecond = order.operationsPerSecond ?? vault.operationsPerSecond;
      if (order.retryAfterSeconds !== undefined) vault.retryAfterSeconds = order.retryAfterSeconds ?? undefined;
      cloud.changed();
    },
    async addTenant({ name, tenantId = randomUUID() }) {
      assertFree(name, state.tenants);
      if (!GUID.test(tenantId)) throw new RangeError('tenantId must be a GUID in lower case');
      state.tenants.push({ name, tenantId, principals: [] });
      cloud.changed();
      return { tenantId };
    },
    async addVault({ tenant, name, kind = 'vault' }) {
      assertFree(name, state.vaults);
      const vault = newVault({ name, tenantId: getTenantByName(state, tenant).tenantId, kind });
      state.vaults.push(vault);
      try {
        await openVault(vault);
      } catch (error) {
        state.vaults.splice(state.vaults.indexOf(vault), 1);
        throw error;
      }
      cloud.changed();
      return { vaultUrl: cloud.vaultUrl(name) };
    },
    async injectFault(fault) {
      const places = ['entra', 'graph', 'ingestion', '*', ...state.vaults.map((vault) => vault.name)];
      if (!places.includes(fault.at)) throw new RangeError(`at must be one of: ${places.join(', ')}`);
      if (fault.operation !== undefined && !operations.includes(fault.operation)) {
        throw new RangeError(`operation must be one of: ${operations.join(', ')}`);
      }
      faults.inject(fault);
    },
    async clearFaults() {
      faults.clear();
    },
  };
}

function assertFree(name: string, taken: readonly { readonly name: string }[]): void {
  if (!SHORT_NAME.test(name)) throw new RangeError('A name is lower-case letters, digits and hyphens, 2 to 31 of them');
  if (taken.some((other) => other.name === name)) throw new RangeError(`The name "${name}" is taken`);
}

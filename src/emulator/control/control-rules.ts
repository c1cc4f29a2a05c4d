import { randomUUID } from 'node:crypto';
import { type Cloud, findPrincipal, getTenantByName } from '../cloud.ts';
import type { RuleState } from '../state.ts';
import type { Actions } from './control.ts';

/** Returns the actions with which a customer opens and closes its SIEM to the vendor's app. */
export function ruleActions(
  cloud: Cloud,
): Pick<Actions, 'addRule' | 'grantRule' | 'revokeRule' | 'setMonitorPrincipal'> {
  const { state } = cloud;
  return {
    async addRule({ tenant, stream = 'Custom-Vaultspan' }) {
      const { tenantId } = getTenantByName(state, tenant);
      const endpoint = cloud.authorityHost();
      const known = (state.rules ?? []).find((rule) => rule.tenantId === tenantId && rule.stream === stream);
      if (known) return { endpoint, ruleId: known.ruleId, stream };
      const ruleId = `dcr-${randomUUID().replaceAll('-', '')}`;
      state.rules = [...(state.rules ?? []), { ruleId, tenantId, stream, publishers: [publisherIn(cloud, tenant)] }];
      cloud.changed();
      return { endpoint, ruleId, stream };
    },
    async grantRule({ tenant }) {
      for (const rule of rulesOf(cloud, tenant)) rule.publishers = [publisherIn(cloud, tenant)];
      cloud.changed();
    },
    async revokeRule({ tenant }) {
      for (const rule of rulesOf(cloud, tenant)) rule.publishers = [];
      cloud.changed();
    },
    async setMonitorPrincipal({ tenant, present }) {
      getTenantByName(state, tenant).lacksMonitor = !present;
      cloud.changed();
    },
  };
}

function rulesOf({ state }: Cloud, tenant: string): readonly RuleState[] {
  const { tenantId } = getTenantByName(state, tenant);
  const rules = (state.rules ?? []).filter((rule) => rule.tenantId === tenantId);
  if (rules.length > 0) return rules;
  throw new RangeError(`Tenant "${tenant}" has no data collection rule (add-rule)`);
}

function publisherIn({ state }: Cloud, tenant: string): string {
  const principal = findPrincipal(getTenantByName(state, tenant), state.appId);
  if (principal === undefined) throw new RangeError(`The app has not been added to tenant "${tenant}" (add-app)`);
  return principal.objectId;
}

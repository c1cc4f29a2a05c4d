import { type Cloud, findPrincipal, getTenantByName } from '../cloud.ts';
import { graphPermissions } from '../graph/graph-access.ts';
import type { ServicePrincipal } from '../state.ts';
import type { Actions } from './control.ts';

/**
 * Returns the actions with which a customer's administrator lets the vendor's app read Graph. New
 * tokens carry the change; old ones keep their roles.
 */
export function graphActions(cloud: Cloud): Pick<Actions, 'consentGraph' | 'revokeGraphConsent'> {
  return {
    async consentGraph({ tenant, permissions }) {
      assertKnown(permissions);
      const principal = appIn(cloud, tenant);
      principal.graphPermissions = [...new Set([...(principal.graphPermissions ?? []), ...permissions])];
      cloud.changed();
    },
    async revokeGraphConsent({ tenant, permissions = graphPermissions }) {
      assertKnown(permissions);
      const principal = appIn(cloud, tenant);
      principal.graphPermissions = (principal.graphPermissions ?? []).filter((name) => !permissions.includes(name));
      cloud.changed();
    },
  };
}

function assertKnown(permissions: readonly string[]): void {
  const unknown = permissions.find((name) => !graphPermissions.includes(name));
  if (unknown === undefined) return;
  throw new RangeError(`There is no permission "${unknown}"; there are: ${graphPermissions.join(', ')}`);
}

function appIn(cloud: Cloud, tenantName: string): ServicePrincipal {
  const principal = findPrincipal(getTenantByName(cloud.state, tenantName), cloud.state.appId);
  if (principal === undefined) throw new RangeError(`The app has not been added to tenant "${tenantName}" (add-app)`);
  return principal;
}

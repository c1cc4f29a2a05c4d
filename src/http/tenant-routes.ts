import {
  type ChangeTenantDeps,
  patchTenant,
  putTenant,
  removeTenant,
  setTenantState,
} from '../operations/change-tenant.ts';
import { getTenant, listTenants, type ReadTenantsDeps } from '../operations/read-tenants.ts';
import type { Handlers } from './mount.ts';

type TenantHandlers = Pick<
  Handlers,
  'listTenants' | 'getTenant' | 'putTenant' | 'patchTenant' | 'deleteTenant' | 'suspendTenant' | 'resumeTenant'
>;

export const tenantRoutes = (deps: ReadTenantsDeps & ChangeTenantDeps): TenantHandlers => ({
  listTenants: ({ query }, call) => listTenants(deps, call, query),
  getTenant: ({ params }, call) => getTenant(deps, call, params.tenantId),
  putTenant: ({ params, body, ifMatch }, call) =>
    putTenant(deps, call, { tenantId: params.tenantId, record: body, ifMatch }),
  patchTenant: ({ params, body, ifMatch }, call) =>
    patchTenant(deps, call, { tenantId: params.tenantId, record: body, ifMatch }),
  deleteTenant: async ({ params, ifMatch }, call) => {
    await removeTenant(deps, call, { tenantId: params.tenantId, ifMatch });
    return undefined;
  },
  suspendTenant: ({ params }, call) => setTenantState(deps, call, params.tenantId, 'suspended'),
  resumeTenant: ({ params }, call) => setTenantState(deps, call, params.tenantId, 'active'),
});

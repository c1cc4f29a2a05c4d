import {
  type ChangeTenantDeps,
  deleteTenant,
  patchTenant,
  putTenant,
  restoreTenant,
  resumeTenant,
  suspendTenant,
} from '../../operations/change-tenant.ts';
import { type CheckTenantDeps, checkTenant } from '../../operations/doctor/check-tenant.ts';
import { getOnboarding, type OnboardingDeps } from '../../operations/doctor/onboarding.ts';
import { type GetDirectoryDeps, getDirectory } from '../../operations/get-directory.ts';
import { getOverview, type OverviewDeps } from '../../operations/overview/get-overview.ts';
import { getTenantHistory, type TenantHistoryDeps } from '../../operations/overview/get-tenant-history.ts';
import { getTenant, listTenants, type ReadTenantsDeps } from '../../operations/read-tenants.ts';
import type { Handlers } from './mount.ts';

export type TenantRoutesDeps = OverviewDeps &
  TenantHistoryDeps &
  ReadTenantsDeps &
  ChangeTenantDeps &
  CheckTenantDeps &
  OnboardingDeps &
  GetDirectoryDeps;

type TenantHandlers = Pick<
  Handlers,
  | 'getOverview'
  | 'getTenantHistory'
  | 'listTenants'
  | 'getTenant'
  | 'putTenant'
  | 'patchTenant'
  | 'deleteTenant'
  | 'restoreTenant'
  | 'suspendTenant'
  | 'resumeTenant'
  | 'checkTenant'
  | 'getOnboarding'
  | 'getDirectory'
>;

export const tenantRoutes = (deps: TenantRoutesDeps): TenantHandlers => ({
  getOverview: (_input, call) => getOverview(deps, call),
  getTenantHistory: ({ params }, call) => getTenantHistory(deps, call, params.tenantId),
  listTenants: ({ query }, call) => listTenants(deps, call, query),
  getTenant: ({ params }, call) => getTenant(deps, call, params.tenantId),
  putTenant: ({ params, body, ifMatch }, call) =>
    putTenant(deps, call, { tenantId: params.tenantId, record: body, ifMatch }),
  patchTenant: ({ params, body, ifMatch }, call) =>
    patchTenant(deps, call, { tenantId: params.tenantId, record: body, ifMatch }),
  deleteTenant: async ({ params, ifMatch }, call) => {
    await deleteTenant(deps, call, { tenantId: params.tenantId, ifMatch });
    return undefined;
  },
  restoreTenant: ({ params }, call) => restoreTenant(deps, call, params.tenantId),
  suspendTenant: ({ params }, call) => suspendTenant(deps, call, params.tenantId),
  resumeTenant: ({ params }, call) => resumeTenant(deps, call, params.tenantId),
  checkTenant: ({ params, progress }, call) =>
    checkTenant(deps, call, params.tenantId, { onStep: (step) => progress.report(step), signal: progress.signal }),
  getOnboarding: ({ params }, call) => getOnboarding(deps, call, params.tenantId),
  getDirectory: ({ params }, call) => getDirectory(deps, call, params.tenantId),
});

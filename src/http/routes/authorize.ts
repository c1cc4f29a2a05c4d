import type { IncomingMessage, ServerResponse } from 'node:http';
import { accessClaimsOf } from '../../callers/access-claims.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { isDataRole, type Principal, type Role } from '../../callers/principal.ts';
import type { VerifyToken } from '../../callers/verify-token.ts';
import { parseInput } from '../../lib/parse-input.ts';
import { assertGranted, assertRole, grantedTenant } from '../../operations/granted-tenant.ts';
import type { TenantQuotas } from '../../tenants/quotas.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import type { Admission } from '../admission/admission.ts';
import type { Operation } from '../contract/operation.ts';
import { type RequestScope, scopeOf } from '../scope.ts';
import { authenticate } from './authenticate.ts';

export interface AuthorizeDeps {
  readonly verifyToken: VerifyToken;
  readonly admission: Pick<Admission, 'countCall'>;
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly quotas: Pick<TenantQuotas, 'admit'>;
}

/** The members of an operation that define its allowed callers. */
type Guarded = Pick<Operation, 'role' | 'alsoNeeds' | 'params' | 'errors'>;

interface Authorized {
  /** Absent if no token is needed. */
  readonly request?: AuthenticatedRequest;
  /** The parsed parameters of the path. */
  readonly params?: unknown;
}

/** `params` are the unparsed parameters of the path. */
type Authorize = (req: IncomingMessage, res: ServerResponse, params: unknown) => Promise<Authorized>;

/**
 * Returns a function that returns the caller's request once the caller may make it. Every check
 * that needs no body comes first: the token, the caller's rate, the role, the tenants that the
 * caller may name, the tenant's state and its quota. So a refusal reads no body. The function throws
 * ServiceError `unauthenticated`, `identity-unavailable`, `caller-throttled`, `grant-missing`,
 * `malformed-request`, `tenant-not-found`, `tenant-suspended`, `quota-exceeded` and
 * `registry-unavailable`.
 */
export function authorizer(deps: AuthorizeDeps, operation: Guarded): Authorize {
  const { verifyToken, admission } = deps;
  const { role, alsoNeeds = [], params: schema, errors } = operation;
  if (role === undefined) {
    return async (_req, _res, given) => ({ params: schema && parseInput(schema, given, '/path') });
  }
  const roles = [role, ...alsoNeeds];
  const isOnData = isDataRole(role);
  // The other operations look the tenant up by themselves: some create it, some read the rest of a
  // removed one.
  const needsActiveTenant = errors.includes('tenant-suspended');
  return async (req, res, given) => {
    const scope = scopeOf(res);
    const principal = await authenticate(req, verifyToken);
    scope.principal = principal;
    admission.countCall(principal.id);
    for (const needed of roles) assertRole(principal, needed);
    if (isOnData) scope.access = accessClaimsOf(req.headers);
    const params = schema && parseInput(schema, given, '/path');
    const { tenantId } = (params ?? {}) as { readonly tenantId?: string };
    if (tenantId !== undefined) {
      scope.tenantId = tenantId;
      if (needsActiveTenant) await enter(deps, scope, { principal, role, tenantId });
      else assertGranted(principal, role, tenantId);
    }
    const { requestId, clientRequestId, access } = scope;
    return { request: { principal, requestId, clientRequestId, access }, params };
  };
}

interface Entering {
  readonly principal: Principal;
  readonly role: Role;
  readonly tenantId: string;
}

/** Checks the tenant's state and, for calls on data, its quota. */
async function enter(
  { tenants, quotas }: Pick<AuthorizeDeps, 'tenants' | 'quotas'>,
  scope: RequestScope,
  { principal, role, tenantId }: Entering,
): Promise<void> {
  const tenant = await grantedTenant(tenants, { principal, access: scope.access }, role, tenantId);
  if (!isDataRole(role)) return;
  const limits = quotas.admit(tenant);
  scope.limits = limits instanceof Promise ? await limits : limits;
}

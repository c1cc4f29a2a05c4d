import type { IncomingMessage, ServerResponse } from 'node:http';
import { accessClaimsOf } from '../../callers/access-claims.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { isDataRole, type Principal, type Role } from '../../callers/principal.ts';
import type { VerifyToken } from '../../callers/verify-token.ts';
import { parseInput } from '../../lib/parse-input.ts';
import { type Soon, whenReady } from '../../lib/when-ready.ts';
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

/** The parameters of a request's path, as its route found them. */
interface Found {
  readonly params: unknown;
  /** Set if they have the form that the schema requires. */
  readonly areParamsParsed?: true;
}

type Authorize = (req: IncomingMessage, res: ServerResponse, found: Found) => Soon<Authorized>;

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
    return (_req, _res, found) => ({ params: parsed(schema, found) });
  }
  const roles = [role, ...alsoNeeds];
  const isOnData = isDataRole(role);
  // The other operations look the tenant up by themselves: some create it, some read the rest of a
  // removed one.
  const needsActiveTenant = errors.includes('tenant-suspended');
  return (req, res, found) => {
    const scope = scopeOf(res);
    return whenReady(authenticate(req, verifyToken), (principal) => {
      scope.principal = principal;
      admission.countCall(principal.id);
      for (const needed of roles) assertRole(principal, needed);
      if (isOnData) scope.access = accessClaimsOf(req.headers);
      const params = parsed(schema, found);
      const { tenantId } = (params ?? {}) as { readonly tenantId?: string };
      const { requestId, clientRequestId, access } = scope;
      const authorized = { request: { principal, requestId, clientRequestId, access }, params };
      if (tenantId === undefined) return authorized;
      scope.tenantId = tenantId;
      if (needsActiveTenant) return whenReady(enter(deps, scope, { principal, role, tenantId }), () => authorized);
      assertGranted(principal, role, tenantId);
      return authorized;
    });
  };
}

const parsed = (schema: Guarded['params'], { params, areParamsParsed }: Found): unknown =>
  areParamsParsed ? params : schema && parseInput(schema, params, '/path');

interface Entering {
  readonly principal: Principal;
  readonly role: Role;
  readonly tenantId: string;
}

/** Checks the tenant's state and, for calls on data, its quota. */
function enter(
  { tenants, quotas }: Pick<AuthorizeDeps, 'tenants' | 'quotas'>,
  scope: RequestScope,
  { principal, role, tenantId }: Entering,
): Soon<void> {
  return whenReady(grantedTenant(tenants, { principal, access: scope.access }, role, tenantId), (tenant) => {
    if (!isDataRole(role)) return;
    return whenReady(quotas.admit(tenant), (limits) => {
      scope.limits = limits;
    });
  });
}

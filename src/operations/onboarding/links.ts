import type { KeyObject } from 'node:crypto';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { Role } from '../../callers/principal.ts';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { DrawRandom } from '../../lib/random.ts';
import {
  type LinkGrant,
  type LinkState,
  type LinkStore,
  linkStateAt,
  linkText,
  type OnboardingLink,
} from '../../tenants/onboarding-links.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted, assertRole } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';

export interface LinkDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly links: LinkStore;
  /** Absent if the deployment has no onboarding pages. */
  readonly onboarding: LinkMaker | undefined;
  readonly clock: Clock;
  readonly draw: DrawRandom;
}

/** What makes links and recognises them. */
export interface LinkMaker {
  /** Public origin of the service. */
  readonly url: string;
  readonly keys: LinkKeys;
}

/** The versions of the key of links, the newest first. */
interface LinkKeys {
  current(): readonly KeyObject[];
  reread(): Promise<readonly KeyObject[]>;
}

export interface NewLink {
  readonly tenantId: string;
  readonly expiresInSeconds?: number | undefined;
  readonly allow?: readonly LinkGrant[] | undefined;
}

/** A link as its issuer gets it, once. */
export interface IssuedLink {
  readonly id: string;
  readonly url: string;
  readonly expiresAt: string;
  readonly allow: readonly LinkGrant[];
}

const ID_BYTES = 16;
const DEFAULT_SECONDS = 14 * 86_400;

/** The issuer must have the role itself that a link gives to its holder. */
const ROLE_OF_GRANT: Readonly<Record<LinkGrant, Role>> = { records: 'Audit.Read', 'branch-keys': 'Tenants.Read' };

/**
 * Issues a link to the page of a tenant's customer.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `link-not-found` without onboarding
 * pages, `too-many-links`, `registry-unavailable`, `audit-unavailable`
 */
export async function issueOnboardingLink(
  deps: LinkDeps,
  request: AuthenticatedRequest,
  { tenantId, expiresInSeconds = DEFAULT_SECONDS, allow = [] }: NewLink,
): Promise<IssuedLink> {
  const { principal } = request;
  assertGranted(principal, 'Tenants.Manage', tenantId);
  const granted = [...new Set(allow)].toSorted();
  for (const grant of granted) assertRole(principal, ROLE_OF_GRANT[grant]);
  await deps.tenants.get(tenantId);
  const [key] = deps.onboarding?.keys.current() ?? [];
  if (!deps.onboarding || !key) {
    throw new ServiceError('link-not-found', 'This deployment has no onboarding pages', {
      fix: { owner: 'vendor', action: 'Set onboarding.url in the configuration' },
    });
  }
  const now = deps.clock.wallMs();
  const link: OnboardingLink = {
    id: deps.draw(ID_BYTES).toString('base64url'),
    tenantId,
    allow: granted,
    createdAt: now,
    createdBy: principal.id,
    expiresAt: now + expiresInSeconds * 1_000,
  };
  await recordSuccess(deps, request, { operation: 'onboarding-link-issue', tenantId, link: link.id });
  if (!(await deps.links.add(link))) {
    throw new ServiceError('too-many-links', 'Revoke some of the links that the tenant has');
  }
  const url = `${deps.onboarding.url}/onboarding/${linkText(key, link)}`;
  return { id: link.id, url, expiresAt: isoTime(link.expiresAt), allow: granted };
}

/** A link in a list: everything but the part that opens the page. */
export interface ListedLink {
  readonly id: string;
  readonly state: LinkState;
  readonly allow: readonly LinkGrant[];
  readonly createdAt: string;
  readonly createdBy: string;
  readonly expiresAt: string;
  readonly revokedAt?: string;
  readonly usedAt?: string;
}

/**
 * Returns the links of a tenant, the newest first.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `registry-unavailable`,
 * `audit-unavailable`
 */
export async function listOnboardingLinks(
  deps: LinkDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<{ readonly links: readonly ListedLink[] }> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  await deps.tenants.get(tenantId);
  const found = await deps.links.list(tenantId);
  await recordSuccess(deps, request, { operation: 'onboarding-link-list', tenantId });
  const now = deps.clock.wallMs();
  return { links: found.map((link) => listed(link, now)) };
}

function listed(link: OnboardingLink, now: number): ListedLink {
  const { id, allow, createdBy, revokedAt, usedAt } = link;
  return {
    id,
    state: linkStateAt(link, now),
    allow,
    createdAt: isoTime(link.createdAt),
    createdBy,
    expiresAt: isoTime(link.expiresAt),
    ...(revokedAt !== undefined && { revokedAt: isoTime(revokedAt) }),
    ...(usedAt !== undefined && { usedAt: isoTime(usedAt) }),
  };
}

/**
 * Revokes a link, from the next request on.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `link-not-found`,
 * `registry-unavailable`, `audit-unavailable`
 */
export async function revokeOnboardingLink(
  deps: LinkDeps,
  request: AuthenticatedRequest,
  { tenantId, linkId }: { readonly tenantId: string; readonly linkId: string },
): Promise<void> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  if (!(await deps.links.revoke(tenantId, linkId, deps.clock.wallMs()))) {
    await deps.tenants.get(tenantId);
    throw new ServiceError('link-not-found', 'The tenant has no link with this id');
  }
  await recordSuccess(deps, request, { operation: 'onboarding-link-revoke', tenantId, link: linkId });
}

const isoTime = (ms: number): string => new Date(ms).toISOString();

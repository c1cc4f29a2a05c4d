import type { Tenant } from './record.ts';

/**
 * The reason that a fact was not read. `permission` is the least one that the customer's
 * administrator must consent to.
 */
export type UnreadFact =
  /** According to the token; no request was sent. */
  | { readonly state: 'not-consented'; readonly permission: string }
  /** The token has the permission, but the directory refused. */
  | { readonly state: 'denied'; readonly permission: string; readonly code: string }
  /**
   * `code` is Graph's own, or `timeout`, `unreachable`, `unexpected-answer`, `answer-too-large`;
   * `retryAfter` in seconds.
   */
  | { readonly state: 'unavailable'; readonly code: string; readonly retryAfter?: number };

export type OrganizationFact =
  | { readonly state: 'read'; readonly displayName: string; readonly verifiedDomains: readonly string[] }
  | UnreadFact;

export type CountFact =
  | { readonly state: 'read'; readonly count: number }
  /** Counting stopped at our limit. */
  | { readonly state: 'read'; readonly atLeast: number }
  | UnreadFact;

/** The facts of a customer's directory; those that the record does not ask for are absent. */
export interface DirectoryFacts {
  readonly organization?: OrganizationFact;
  readonly users?: CountFact;
  readonly groups?: CountFact;
}

export interface DirectoryReader {
  /**
   * Returns the facts that the tenant's record asks for. Missing consent, refusals and outages are
   * states of a fact; only a sign-in that fails rejects. `requestId` (a GUID) is sent along, so
   * that the customer's log can be joined with ours.
   * @throws ServiceError `access-revoked`, `tenant-misconfigured`, `home-credential-rejected`,
   * `identity-unavailable`
   */
  readDirectory(tenant: Tenant, requestId: string): Promise<DirectoryFacts>;
}

/** Returns whether a record asks for any fact of its directory. */
export const wantsDirectory = ({ graph }: Pick<Tenant, 'graph'>): boolean =>
  graph !== undefined && Object.values(graph).includes(true);

/**
 * The least application permission of Graph for each fact:
 * https://learn.microsoft.com/graph/permissions-reference
 */
const PERMISSIONS = {
  organization: 'Organization.Read.All',
  users: 'User.Read.All',
  groups: 'GroupMember.Read.All',
} as const;

/** Returns the permissions that the facts in the tenant's record need. */
export const graphPermissions = ({ graph = {} }: Tenant): readonly string[] =>
  (['organization', 'users', 'groups'] as const).flatMap((fact) => (graph[fact] === true ? PERMISSIONS[fact] : []));

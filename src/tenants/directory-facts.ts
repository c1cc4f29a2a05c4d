import type { Tenant } from './record.ts';

/** Why a fact was not read. `permission` is the least one that the customer's administrator has to consent to. */
export type UnreadFact =
  /** The token says so; nothing was asked. */
  | { readonly state: 'not-consented'; readonly permission: string }
  /** The token has the permission, and the directory refused all the same. */
  | { readonly state: 'denied'; readonly permission: string; readonly code: string }
  /** `code` is Graph's own, or `timeout`, `unreachable`, `unexpected-answer`, `answer-too-large`; `retryAfter` in seconds. */
  | { readonly state: 'unavailable'; readonly code: string; readonly retryAfter?: number };

export type OrganizationFact =
  | { readonly state: 'read'; readonly displayName: string; readonly verifiedDomains: readonly string[] }
  | UnreadFact;

export type CountFact =
  | { readonly state: 'read'; readonly count: number }
  /** Counting stopped at a bound of ours. */
  | { readonly state: 'read'; readonly atLeast: number }
  | UnreadFact;

/** What a customer's directory tells of itself; what the record doesn't ask for is absent. */
export interface DirectoryFacts {
  readonly organization?: OrganizationFact;
  readonly users?: CountFact;
  readonly groups?: CountFact;
}

export interface DirectoryReader {
  /**
   * Reads the facts that the tenant's record asks for. Missing consent, refusals and outages are states of a fact; only a sign-in
   * that fails rejects. `requestId` (a GUID) goes along, so that the customer's log can be joined with ours.
   *
   * @throws ServiceError `access-revoked`, `tenant-misconfigured`, `home-credential-rejected`, `identity-unavailable`
   */
  readDirectory(tenant: Tenant, requestId: string): Promise<DirectoryFacts>;
}

/** Whether a record asks for any fact of its directory. */
export const wantsDirectory = ({ graph }: Pick<Tenant, 'graph'>): boolean =>
  graph !== undefined && Object.values(graph).includes(true);

/** The least application permission of Graph for each fact: https://learn.microsoft.com/graph/permissions-reference */
const PERMISSIONS = {
  organization: 'Organization.Read.All',
  users: 'User.Read.All',
  groups: 'GroupMember.Read.All',
} as const;

/** Returns the permissions that the facts in the tenant's record need. */
export const graphPermissions = ({ graph = {} }: Tenant): readonly string[] =>
  (['organization', 'users', 'groups'] as const).flatMap((fact) => (graph[fact] === true ? PERMISSIONS[fact] : []));

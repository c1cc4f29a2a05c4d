import { decodeJwt } from 'jose';
import * as z from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { defined } from '../../lib/defined.ts';
import type {
  CountFact,
  DirectoryFacts,
  DirectoryReader,
  OrganizationFact,
  UnreadFact,
} from '../../tenants/directory-facts.ts';
import type { Tenant } from '../../tenants/record.ts';
import { withinDeadline } from '../deadline.ts';
import type { TenantCredential } from '../entra/tenant-credential.ts';
import { signInFailure } from '../sign-in-failures.ts';
import { GraphClient, GraphFailure, unexpectedAnswer } from './graph-client.ts';

export interface GraphDirectoryOptions {
  /** Graph of the deployment's cloud, without a trailing slash. */
  readonly graphEndpoint: string;
  readonly appId: string;
  /** Returns our sign-in to the tenant's directory. Its token shows the consent at that time. */
  readonly credentialOf: (tenant: Tenant) => Pick<TenantCredential, 'getToken'>;
  /** For the sign-in, and again for all reads after it. */
  readonly deadlineMs: number;
  readonly clock: Clock;
}

const PAGE_SIZE = 999; // Graph's maximum
const MAX_PAGES = 20;

/**
 * Application permissions of which one is enough, the least first:
 * https://learn.microsoft.com/graph/permissions-reference
 */
const SUFFICIENT = {
  organization: [
    'Organization.Read.All',
    'Organization.ReadWrite.All',
    'Directory.Read.All',
    'Directory.ReadWrite.All',
  ],
  users: ['User.Read.All', 'User.ReadWrite.All', 'Directory.Read.All', 'Directory.ReadWrite.All'],
  groups: [
    'GroupMember.Read.All',
    'GroupMember.ReadWrite.All',
    'Group.Read.All',
    'Group.ReadWrite.All',
    'Directory.Read.All',
    'Directory.ReadWrite.All',
  ],
} as const;

const Organizations = z.object({
  value: z
    .tuple([z.object({ displayName: z.string(), verifiedDomains: z.array(z.object({ name: z.string() })) })])
    .rest(z.unknown()),
});
const Page = z.object({ value: z.array(z.unknown()), '@odata.nextLink': z.string().optional() });

/** The customers' directories through Microsoft Graph. None of its answers is logged. */
export class GraphDirectory implements DirectoryReader {
  readonly #options: GraphDirectoryOptions;

  constructor(options: GraphDirectoryOptions) {
    this.#options = options;
  }

  async readDirectory(tenant: Tenant, requestId: string): Promise<DirectoryFacts> {
    const wanted = tenant.graph ?? {};
    if (!Object.values(wanted).includes(true)) return {};
    const { graphEndpoint, deadlineMs, clock } = this.#options;
    const token = await this.#token(tenant);
    const roles = rolesIn(token);
    const client = new GraphClient({ endpoint: graphEndpoint, token, requestId, deadlineMs, clock });
    const [organization, users, groups] = await Promise.all([
      wanted.organization ? fact(roles, SUFFICIENT.organization, () => readOrganization(client)) : undefined,
      wanted.users ? fact(roles, SUFFICIENT.users, () => count(client, 'users')) : undefined,
      wanted.groups ? fact(roles, SUFFICIENT.groups, () => count(client, 'groups')) : undefined,
    ]);
    return defined({ organization, users, groups });
  }

  async #token(tenant: Tenant): Promise<string> {
    const { appId, credentialOf, deadlineMs, graphEndpoint } = this.#options;
    const signIn = () => credentialOf(tenant).getToken(`${graphEndpoint}/.default`);
    try {
      return (await withinDeadline(deadlineMs, signIn, () => false)).token;
    } catch (error) {
      throw signInFailure(error, { appId, entraTenantId: tenant.entraTenantId });
    }
  }
}

/**
 * Returns the consented permissions in the token. Formally, only Graph may read the token. If it
 * cannot be read, Graph is called and refuses by itself.
 */
function rolesIn(token: string): ReadonlySet<unknown> | undefined {
  try {
    const { roles } = decodeJwt(token);
    return new Set(Array.isArray(roles) ? roles : []);
  } catch {
    return undefined;
  }
}

async function fact<T>(
  roles: ReadonlySet<unknown> | undefined,
  sufficient: readonly [string, ...string[]],
  read: () => Promise<T>,
): Promise<T | UnreadFact> {
  const [permission] = sufficient;
  if (roles && !sufficient.some((name) => roles.has(name))) return { state: 'not-consented', permission };
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof GraphFailure)) throw error;
    const { code, status, retryAfter } = error;
    if (status === 401 || status === 403) return { state: 'denied', permission, code };
    return defined({ state: 'unavailable', code, retryAfter });
  }
}

async function readOrganization(client: GraphClient): Promise<OrganizationFact> {
  const path = '/v1.0/organization?$select=displayName,verifiedDomains';
  const [{ displayName, verifiedDomains }] = (await client.getJson(path, Organizations)).value;
  return { state: 'read', displayName, verifiedDomains: verifiedDomains.map(({ name }) => name) };
}

async function count(client: GraphClient, collection: 'users' | 'groups'): Promise<CountFact> {
  try {
    const text = await client.get(`/v1.0/${collection}/$count`, { ConsistencyLevel: 'eventual' });
    if (!/^\d{1,12}$/.test(text)) throw unexpectedAnswer();
    return { state: 'read', count: Number(text) };
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    return countPages(client, collection);
  }
}

/**
 * Returns whether counting is unsupported, as in directories of consumers' accounts (B2C):
 * https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/4730
 */
const isUnsupported = (error: unknown): boolean =>
  error instanceof GraphFailure && [400, 404, 405].includes(error.status ?? 0);

async function countPages(client: GraphClient, collection: 'users' | 'groups'): Promise<CountFact> {
  let path = `/v1.0/${collection}?$select=id&$top=${PAGE_SIZE}`;
  let counted = 0;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { value, '@odata.nextLink': nextLink } = await client.getJson(path, Page);
    counted += value.length;
    if (nextLink === undefined) return { state: 'read', count: counted };
    path = client.pathOf(nextLink);
  }
  return { state: 'read', atLeast: counted };
}

import type { Cloud } from '../cloud.ts';
import type { TokenSigner } from '../entra/access-tokens.ts';
import type { Exchange } from '../exchange.ts';
import type { Site } from '../listener.ts';
import type { Reply } from '../reply.ts';
import type { TenantState } from '../state.ts';
import { assertPermitted, authenticate } from './graph-access.ts';
import { type Collection, groups, organization, servicePrincipals, users } from './graph-directory.ts';
import { isEventual, page } from './graph-page.ts';
import { badRequest, GraphRefusal, graphErrorReply } from './graph-refusal.ts';

export const GRAPH_PREFIX = '/v1.0/';

interface GraphRequest {
  readonly cloud: Cloud;
  readonly exchange: Exchange;
  readonly tenant: TenantState;
}

interface Operation {
  /** One of these permissions is enough. */
  readonly permissions: readonly string[];
  readonly answer: (request: GraphRequest) => Reply;
}

const list =
  (collectionOf: (tenant: TenantState) => Collection): Operation['answer'] =>
  ({ cloud, exchange, tenant }) =>
    page(cloud, exchange, collectionOf(tenant));

const count =
  (collectionOf: (tenant: TenantState) => Collection): Operation['answer'] =>
  ({ exchange, tenant }) => {
    if (!isEventual(exchange)) throw badRequest('$count is not currently supported.');
    const headers = { 'content-type': 'text/plain' };
    return { status: 200, headers, body: String(collectionOf(tenant).size) };
  };

const ofUsers = ['User.Read.All', 'Directory.Read.All'];
const ofGroups = ['GroupMember.Read.All', 'Group.Read.All', 'Directory.Read.All'];

const operations = {
  getOrganization: { permissions: ['Organization.Read.All', 'Directory.Read.All'], answer: list(organization) },
  listUsers: { permissions: ofUsers, answer: list(users) },
  countUsers: { permissions: ofUsers, answer: count(users) },
  listGroups: { permissions: ofGroups, answer: list(groups) },
  countGroups: { permissions: ofGroups, answer: count(groups) },
  listServicePrincipals: {
    permissions: ['Application.Read.All', 'Directory.Read.All'],
    answer: ({ cloud, exchange, tenant }) => {
      const wanted = appIdFilter(exchange.query.get('$filter'));
      const found = tenant.principals.filter(({ appId }) => wanted === undefined || appId === wanted);
      return page(cloud, exchange, servicePrincipals(cloud.state, found));
    },
  },
} satisfies Record<string, Operation>;

type OperationName = keyof typeof operations;
export const graphOperations = Object.keys(operations) as readonly OperationName[];

const paths: ReadonlyMap<string, OperationName> = new Map([
  ['organization', 'getOrganization'],
  ['users', 'listUsers'],
  ['users/$count', 'countUsers'],
  ['groups', 'listGroups'],
  ['groups/$count', 'countGroups'],
  ['servicePrincipals', 'listServicePrincipals'],
]);

const operationOf = ({ segments }: Exchange): OperationName | undefined => paths.get(segments.slice(1).join('/'));

/**
 * Returns Microsoft Graph, as far as an app needs it that keeps a customer's record: counts, names,
 * and its own principal.
 */
export function graphSite(cloud: Cloud, signer: TokenSigner): Site {
  // The token is checked first, then the address, then the permission.
  const handle = async (exchange: Exchange): Promise<Reply> => {
    const caller = await authenticate(cloud, signer, exchange);
    const name = operationOf(exchange);
    if (name === undefined) {
      throw new GraphRefusal(400, 'BadRequest', `Resource not found for the segment '${exchange.segments[1] ?? ''}'.`);
    }
    if (exchange.method !== 'GET') {
      throw new GraphRefusal(405, 'Request_BadRequest', 'Specified HTTP method is not allowed for the request target.');
    }
    const { permissions, answer } = operations[name];
    assertPermitted(caller, permissions);
    return answer({ cloud, exchange, tenant: caller.tenant });
  };

  return {
    at: 'graph',
    requestIdHeader: 'client-request-id',
    isRefusing: () => false,
    operationOf: (exchange) => operationOf(exchange) ?? 'unknown',
    handle: async (exchange) => {
      try {
        return await handle(exchange);
      } catch (error) {
        if (!(error instanceof GraphRefusal)) throw error;
        exchange.errorCode = error.code;
        return graphErrorReply(cloud, error, exchange);
      }
    },
    failure: (status, code, message) =>
      graphErrorReply(cloud, { status, code: code === 'Throttled' ? 'TooManyRequests' : code, message }),
  };
}

function appIdFilter(filter: string | null): string | undefined {
  if (filter === null) return undefined;
  const appId = /^\s*appId eq '([\da-f-]{36})'\s*$/i.exec(filter)?.[1];
  if (appId === undefined) throw badRequest('Invalid filter clause: only appId eq is known here.');
  return appId.toLowerCase();
}

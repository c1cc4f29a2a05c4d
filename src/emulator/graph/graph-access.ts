import { type Cloud, epochSeconds, findTenant } from '../cloud.ts';
import { claimsOf, GRAPH_RESOURCE, type TokenSigner } from '../entra/access-tokens.ts';
import type { Exchange } from '../exchange.ts';
import type { TenantState } from '../state.ts';
import { GraphRefusal } from './graph-refusal.ts';

/** The application permissions that an administrator can consent to here. */
export const graphPermissions: readonly string[] = [
  'Application.Read.All',
  'Directory.Read.All',
  'Group.Read.All',
  'GroupMember.Read.All',
  'Organization.Read.All',
  'User.Read.All',
];

interface GraphCaller {
  /** The tenant whose directory the token may read: Graph's addresses name none. */
  readonly tenant: TenantState;
  readonly roles: readonly string[];
}

export async function authenticate(cloud: Cloud, signer: TokenSigner, exchange: Exchange): Promise<GraphCaller> {
  const token = /^Bearer (\S+)$/i.exec(exchange.headers.authorization ?? '')?.[1];
  if (token === undefined) throw invalidToken('Access token is empty.');
  const claims = await claimsOf(signer, token);
  if (claims === undefined) throw invalidToken('Access token validation failure. The signature is not valid.');
  exchange.tenantId = String(claims['tid']);
  exchange.appId = String(claims['appid'] ?? claims['azp']);
  if (claims.aud !== GRAPH_RESOURCE) throw invalidToken('Access token validation failure. Invalid audience.');
  const now = epochSeconds(cloud);
  if ((claims.exp ?? 0) <= now) throw invalidToken('Lifetime validation failed, the token is expired.');
  if ((claims.nbf ?? 0) > now) throw invalidToken('Lifetime validation failed, the token is not valid yet.');
  const tenant = findTenant(cloud.state, exchange.tenantId);
  if (tenant === undefined || claims.iss !== `${cloud.authorityHost()}/${tenant.tenantId}/`) {
    throw invalidToken('Access token validation failure. Invalid issuer.');
  }
  return { tenant, roles: Array.isArray(claims['roles']) ? claims['roles'] : [] };
}

/** Checks the roles in the token; later changes of consent do not count. */
export function assertPermitted({ roles }: GraphCaller, anyOf: readonly string[]): void {
  if (roles.some((role) => anyOf.includes(role))) return;
  throw new GraphRefusal(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.');
}

const invalidToken = (message: string): GraphRefusal => new GraphRefusal(401, 'InvalidAuthenticationToken', message);

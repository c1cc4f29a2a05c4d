import { timingSafeEqual } from 'node:crypto';
import { type Cloud, homeTenant, managedIdentity, VAULT_RESOURCE } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import { ok, type Reply } from '../reply.ts';
import { appTokenClaims, EXCHANGE_AUDIENCE, GRAPH_RESOURCE, type TokenSigner } from './access-tokens.ts';

const API_VERSION = '2019-08-01';
/** The resource id of the user-assigned identity. */
const RESOURCE_ID =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vaultspan/providers/Microsoft.ManagedIdentity/userAssignedIdentities/vaultspan';
const resources: readonly string[] = [VAULT_RESOURCE.vault, VAULT_RESOURCE.hsm, GRAPH_RESOURCE, EXCHANGE_AUDIENCE];

/**
 * Returns a managed identity's token, in App Service's form: a local endpoint, and a header that
 * only the app's own process knows.
 */
export async function managedIdentityToken(cloud: Cloud, signer: TokenSigner, exchange: Exchange): Promise<Reply> {
  const identity = managedIdentity(cloud.state);
  exchange.tenantId = cloud.state.homeTenantId;
  exchange.appId = identity.appId;
  const refusal = refusalOf(cloud, exchange, identity);
  if (refusal !== undefined) {
    exchange.errorCode = 'ManagedIdentityRefused';
    return refusal;
  }
  const resource = exchange.query.get('resource') ?? '';
  const audience = resources.find((known) => known === resource.replace(/\/$/, '')) ?? resource;
  const claims = appTokenClaims(cloud, {
    tenant: homeTenant(cloud.state),
    principal: identity,
    audience,
    credential: '2',
  });
  return ok({
    access_token: await signer.sign({ ...claims, xms_mirid: RESOURCE_ID }),
    expires_on: String(claims.exp),
    resource,
    token_type: 'Bearer',
    client_id: identity.appId,
  });
}

function refusalOf(
  cloud: Cloud,
  { headers, query }: Exchange,
  identity: { appId: string; objectId: string },
): Reply | undefined {
  const header = headers['x-identity-header'];
  if (typeof header !== 'string') return refuse(400, 'The header X-IDENTITY-HEADER is missing.');
  if (!isSame(header, cloud.state.managedIdentityHeader)) return refuse(401, 'The header X-IDENTITY-HEADER is wrong.');
  if (query.get('api-version') !== API_VERSION) return refuse(400, `The api-version must be ${API_VERSION}.`);
  const wantedId = query.get('client_id') ?? query.get('principal_id');
  if (wantedId !== null && wantedId !== identity.appId && wantedId !== identity.objectId) {
    return refuse(400, 'No managed identity here has this client or principal ID.');
  }
  const resource = query.get('resource')?.replace(/\/$/, '');
  if (resource === undefined || !resources.includes(resource)) {
    return refuse(
      400,
      `AADSTS500011: The resource principal named ${resource ?? '(none)'} was not found in the tenant.`,
    );
  }
  return undefined;
}

const refuse = (statusCode: number, message: string): Reply => ({ status: statusCode, body: { statusCode, message } });

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

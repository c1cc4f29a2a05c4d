import { type Cloud, findApp, findPrincipal, findTenant, VAULT_RESOURCE } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import { GRAPH_PREFIX, graphSite } from '../graph/graph.ts';
import type { Site } from '../listener.ts';
import { ok, type Reply } from '../reply.ts';
import type { AppState, ServicePrincipal, TenantState } from '../state.ts';
import {
  appTokenClaims,
  type CredentialKind,
  GRAPH_RESOURCE,
  MONITOR_RESOURCE,
  type TokenSigner,
} from './access-tokens.ts';
import { adminConsent } from './admin-consent.ts';
import { authenticateClient } from './client-authentication.ts';
import { EntraRefusal, orderedFailure, refusalReply, statusOf } from './entra-refusal.ts';
import { managedIdentityToken } from './managed-identity.ts';
import { corsHeaders, createSignIn, type SignIn } from './sign-in.ts';

const DEFAULT_SCOPE = /^(\S+)\/\.default$/;
const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
const DNS_NAME = /^[a-z\d-]+(\.[a-z\d-]+)+$/i;

export const entraOperations = [
  'discovery',
  'jwks',
  'token',
  'managedIdentityToken',
  'authorize',
  'adminConsent',
  'logout',
  'preflight',
] as const;
/** The operations that browsers need. */
const BROWSER_OPERATIONS: ReadonlySet<Operation> = new Set([
  'discovery',
  'jwks',
  'token',
  'authorize',
  'adminConsent',
  'logout',
  'preflight',
]);
type Operation = (typeof entraOperations)[number] | 'unknown';

/**
 * Returns the site that sign-ins of people also use by plain HTTP: browsers do not trust the
 * emulator's certificate. It has no other operation, and answers under loopback's own names only.
 */
export function browserSite(entra: Site): Site {
  const operationFor = (exchange: Exchange): Operation => {
    const operation = operationOf(exchange);
    const isLoopback = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(exchange.headers.host ?? '');
    return isLoopback && BROWSER_OPERATIONS.has(operation) ? operation : 'unknown';
  };
  const { branches: _branches, ...site } = entra;
  return {
    ...site,
    operationOf: operationFor,
    handle: (exchange) => (operationFor(exchange) === 'unknown' ? NOT_FOUND : entra.handle(exchange)),
  };
}

const NOT_FOUND: Reply = {
  status: 404,
  body: { error: 'not_found', error_description: 'The emulated Entra ID has no such page.' },
};

export function entraSite(cloud: Cloud, signer: TokenSigner): Site {
  const signIn = createSignIn(cloud, signer);
  const operations: Record<Operation, (exchange: Exchange) => Promise<Reply> | Reply> = {
    discovery: (exchange) => discovery(cloud, exchange),
    jwks: (exchange) => {
      tenantOf(cloud, exchange.segments[0]);
      return ok({ keys: [{ ...signer.publicJwk, use: 'sig', alg: 'RS256', kid: signer.kid }] });
    },
    token: (exchange) => token(cloud, signer, signIn, exchange),
    authorize: (exchange) => signIn.authorize(exchange),
    adminConsent: (exchange) => adminConsent(cloud, tenantOf(cloud, exchange.segments[0]), exchange),
    logout: (exchange) => signIn.logout(exchange),
    preflight: () => ({ status: 204 }),
    managedIdentityToken: (exchange) => managedIdentityToken(cloud, signer, exchange),
    unknown: () => NOT_FOUND,
  };
  const handle = async (exchange: Exchange): Promise<Reply> => {
    try {
      return await operations[operationOf(exchange)](exchange);
    } catch (error) {
      if (error instanceof EntraRefusal) return refusalReply(cloud, exchange, error);
      throw error;
    }
  };
  /** Returns the answer as pages of registered origins may read it. */
  const readable = (exchange: Exchange | undefined, reply: Reply): Reply => ({
    ...reply,
    headers: { ...corsHeaders(cloud, exchange?.headers.origin), ...reply.headers },
  });
  return {
    at: 'entra',
    requestIdHeader: 'client-request-id',
    isRefusing: () => false,
    operationOf,
    handle: async (exchange) => readable(exchange, await handle(exchange)),
    failure: (status, code, message, exchange) => readable(exchange, orderedFailure(cloud, status, code, message)),
    statusOf,
    branches: [{ prefix: GRAPH_PREFIX, site: graphSite(cloud, signer) }],
  };
}

function operationOf({ method, path, segments }: Exchange): Operation {
  if (method === 'POST' && /^\/[^/]+\/oauth2\/(v2\.0\/)?token$/.test(path)) return 'token';
  if (method === 'OPTIONS') return 'preflight';
  if (method !== 'GET') return 'unknown';
  if (path === '/msi/token') return 'managedIdentityToken';
  const page = segments.slice(1).join('/');
  switch (page) {
    case 'discovery/instance':
    case 'v2.0/.well-known/openid-configuration':
    case '.well-known/openid-configuration':
      return 'discovery';
    case 'oauth2/v2.0/authorize':
      return 'authorize';
    case 'v2.0/adminconsent':
      return 'adminConsent';
    case 'oauth2/v2.0/logout':
      return 'logout';
    case 'discovery/v2.0/keys':
    case 'discovery/keys':
      return 'jwks';
    default:
      return 'unknown';
  }
}

function discovery(cloud: Cloud, exchange: Exchange): Reply {
  const { path, segments } = exchange;
  const authority = cloud.authorityHost();
  if (segments[1] === 'discovery') return instanceDiscovery(authority);
  const [wanted] = segments;
  const tenant = wanted === 'common' || wanted === 'organizations' ? undefined : tenantOf(cloud, wanted);
  if (tenant !== undefined) exchange.tenantId = tenant.tenantId;
  const tenantId = tenant?.tenantId ?? '{tenantid}';
  const base = `${authority}/${tenant?.tenantId ?? wanted}`;
  const isV2 = path.includes('/v2.0/');
  return ok({
    issuer: isV2 ? `${authority}/${tenantId}/v2.0` : `${authority}/${tenantId}/`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
    response_modes_supported: ['query', 'fragment'],
    response_types_supported: ['code'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    cloud_instance_name: 'localhost',
  });
}

function instanceDiscovery(authority: string): Reply {
  const { host } = new URL(authority);
  return ok({
    tenant_discovery_endpoint: `${authority}/common/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  });
}

function tenantOf(cloud: Cloud, wanted = ''): TenantState {
  if (!GUID.test(wanted) && !DNS_NAME.test(wanted)) throw new EntraRefusal(900023, wanted);
  const tenant = findTenant(cloud.state, wanted);
  if (tenant === undefined) throw new EntraRefusal(90002, wanted);
  return tenant;
}

/** Returns the answer to a grant, after the checks in Entra's order. */
async function token(cloud: Cloud, signer: TokenSigner, signIn: SignIn, exchange: Exchange): Promise<Reply> {
  const form = new URLSearchParams((await exchange.body()).toString());
  const clientId = form.get('client_id');
  if (clientId !== null) exchange.appId = clientId;
  const [wanted] = exchange.segments;
  if (wanted === 'common' || wanted === 'organizations') throw new EntraRefusal(50059);
  const tenant = tenantOf(cloud, wanted);
  exchange.tenantId = tenant.tenantId;
  const grant = form.get('grant_type');
  if (grant === null) throw new EntraRefusal(900144, 'grant_type');
  if (grant === 'authorization_code' || grant === 'refresh_token') return signIn.token(exchange, form);
  if (grant !== 'client_credentials') throw new EntraRefusal(70003, grant);
  if (clientId === null) throw new EntraRefusal(900144, 'client_id');
  const { app, principal } = clientIn(cloud, tenant, clientId);
  const authority = `${cloud.authorityHost()}/${tenant.tenantId}`;
  const audiences = [`${authority}/oauth2/v2.0/token`, `${authority}/v2.0`, `${authority}/`];
  const credential = await authenticateClient(cloud, signer, { form, app, audiences });
  const audience = audienceOf(cloud, tenant, form.get('scope') ?? '');
  if (principal.isBlockedByConditionalAccess) throw new EntraRefusal(53003);
  return issue(cloud, signer, { tenant, principal, audience, credential });
}

function clientIn(cloud: Cloud, tenant: TenantState, clientId: string): { app: AppState; principal: ServicePrincipal } {
  const app = findApp(cloud.state, clientId);
  if (app === undefined) throw new EntraRefusal(700016, clientId);
  if (!app.isMultiTenant && app.homeTenantId !== tenant.tenantId) throw new EntraRefusal(50194, clientId);
  const principal = findPrincipal(tenant, clientId);
  if (principal === undefined) throw new EntraRefusal(700016, clientId);
  if (!principal.isEnabled) throw new EntraRefusal(7000112, clientId);
  return { app, principal };
}

function audienceOf(cloud: Cloud, tenant: TenantState, scope: string): string {
  if (scope === '' || scope.includes(' ')) throw new EntraRefusal(70011, scope);
  const resource = DEFAULT_SCOPE.exec(scope)?.[1];
  if (resource === undefined) throw new EntraRefusal(1002012, scope);
  const { callerAudience, homeTenantId } = cloud.state;
  const isCallerApi = resource === callerAudience || resource === `api://${callerAudience}`;
  if (isCallerApi && tenant.tenantId === homeTenantId) return callerAudience;
  // Graph also answers under this address and names it in its tokens.
  if (resource === cloud.authorityHost()) return GRAPH_RESOURCE;
  const known: readonly string[] = [VAULT_RESOURCE.vault, VAULT_RESOURCE.hsm, GRAPH_RESOURCE, MONITOR_RESOURCE];
  const audience = known.find((candidate) => candidate === resource.replace(/\/$/, ''));
  if (audience === undefined || (audience === MONITOR_RESOURCE && tenant.lacksMonitor === true)) {
    throw new EntraRefusal(500011, resource);
  }
  return audience;
}

interface Grant {
  readonly tenant: TenantState;
  readonly principal: ServicePrincipal;
  readonly audience: string;
  readonly credential: CredentialKind;
}

async function issue(cloud: Cloud, signer: TokenSigner, grant: Grant): Promise<Reply> {
  const lifetime = cloud.state.tokenLifetimeSeconds;
  return ok({
    token_type: 'Bearer',
    expires_in: lifetime,
    ext_expires_in: lifetime,
    access_token: await signer.sign(appTokenClaims(cloud, grant)),
  });
}

import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, type webcrypto } from 'node:crypto';
import { compactVerify, type JWTPayload, SignJWT } from 'jose';
import { type Cloud, epochSeconds } from '../cloud.ts';
import type { ServicePrincipal, State, TenantState } from '../state.ts';

/** Audience of the tokens that a managed identity presents as a federated credential. */
export const EXCHANGE_AUDIENCE = 'api://AzureADTokenExchange';
export const GRAPH_RESOURCE = 'https://graph.microsoft.com';
export const MONITOR_RESOURCE = 'https://monitor.azure.com';

export interface TokenSigner {
  readonly kid: string;
  readonly publicJwk: webcrypto.JsonWebKey;
  readonly publicKey: KeyObject;
  sign(claims: JWTPayload): Promise<string>;
}

/** Returns a signing key made of the next RSA key. */
export async function createSigningKey(rsaKeys: () => Promise<KeyObject>): Promise<State['signingKey']> {
  const privateJwk = (await rsaKeys()).export({ format: 'jwk' });
  return { kid: randomBytes(20).toString('base64url'), privateJwk };
}

export function createTokenSigner({ kid, privateJwk }: State['signingKey']): TokenSigner {
  const privateKey = createPrivateKey({ key: privateJwk, format: 'jwk' });
  const publicKey = createPublicKey(privateKey);
  return {
    kid,
    publicKey,
    publicJwk: publicKey.export({ format: 'jwk' }),
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid }).sign(privateKey),
  };
}

/** How the client authenticated: `1` by secret, `2` by assertion. */
export type CredentialKind = '1' | '2';

export interface AppTokenRequest {
  readonly tenant: TenantState;
  readonly principal: ServicePrincipal;
  readonly audience: string;
  readonly credential: CredentialKind;
}

/**
 * Returns the claims of a token for an app or a managed identity. Tokens for our own API and for
 * exchange have version 2.0, others 1.0.
 */
export function appTokenClaims(cloud: Cloud, request: AppTokenRequest): JWTPayload {
  const { tenant, principal, audience, credential } = request;
  const isV2 = audience === cloud.state.callerAudience || audience === EXCHANGE_AUDIENCE;
  const iat = epochSeconds(cloud);
  const issuer = `${cloud.authorityHost()}/${tenant.tenantId}/`;
  return {
    aud: audience,
    iss: isV2 ? `${issuer}v2.0` : issuer,
    iat,
    nbf: iat,
    exp: iat + cloud.state.tokenLifetimeSeconds,
    ...(isV2
      ? { azp: principal.appId, azpacr: credential }
      : { appid: principal.appId, appidacr: credential, idp: issuer }),
    idtyp: 'app',
    oid: principal.objectId,
    sub: principal.objectId,
    tid: tenant.tenantId,
    ...rolesClaim(cloud, principal, audience),
    uti: randomBytes(16).toString('base64url'),
    ver: isV2 ? '2.0' : '1.0',
  };
}

/** Returns the roles claim. A token without any role is issued all the same, without the claim. */
function rolesClaim({ state }: Cloud, principal: ServicePrincipal, audience: string): { roles?: string[] } {
  const granted = { [state.callerAudience]: principal.appRoles, [GRAPH_RESOURCE]: principal.graphPermissions }[
    audience
  ];
  return granted === undefined || granted.length === 0 ? {} : { roles: [...granted] };
}

/**
 * Returns the claims of a token that we signed, else `undefined`. Time and audience are not
 * checked.
 */
export async function claimsOf(signer: TokenSigner, token: string): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await compactVerify(token, signer.publicKey, { algorithms: ['RS256'] });
    return JSON.parse(Buffer.from(payload).toString());
  } catch {
    return undefined;
  }
}

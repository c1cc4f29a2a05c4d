import { createHash, randomBytes } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { type Cloud, epochSeconds } from '../cloud.ts';
import { claimsOf, type TokenSigner } from './access-tokens.ts';
import { EntraRefusal } from './entra-refusal.ts';
import { API_SCOPE, PEOPLE, type Person } from './people.ts';

/** Refresh tokens of single-page apps are valid for a day in all, however often they are used. */
const REFRESH_SECONDS = 24 * 3_600;
const REFRESH_AUDIENCE = 'urn:emulator:refresh';

/** A person that signed in to an app. */
export interface SignedIn {
  readonly person: Person;
  readonly clientId: string;
  /** Absent after a refresh. */
  readonly nonce?: string | undefined;
  /** Seconds since 1970. */
  readonly refreshUntil: number;
}

export const newRefreshEnd = (cloud: Cloud): number => epochSeconds(cloud) + REFRESH_SECONDS;

/** Returns the body of a token endpoint's answer to a single-page app. */
export async function tokensOf(cloud: Cloud, signer: TokenSigner, signedIn: SignedIn): Promise<object> {
  const { person, clientId, nonce, refreshUntil } = signedIn;
  const { homeTenantId, callerAudience, tokenLifetimeSeconds } = cloud.state;
  const shared = { ...lifetime(cloud), ...personClaims(cloud, person) };
  const access = {
    ...shared,
    aud: callerAudience,
    azp: clientId,
    azpacr: '0',
    ...(person.roles.length > 0 && { roles: [...person.roles] }),
    scp: API_SCOPE,
    sub: pairwise(person, callerAudience),
    uti: randomBytes(16).toString('base64url'),
  };
  const identity = { ...shared, aud: clientId, sub: pairwise(person, clientId), ...(nonce !== undefined && { nonce }) };
  const refresh = { aud: REFRESH_AUDIENCE, azp: clientId, oid: person.objectId, exp: refreshUntil };
  return {
    token_type: 'Bearer',
    scope: `api://${callerAudience}/${API_SCOPE} openid profile offline_access`,
    expires_in: tokenLifetimeSeconds,
    ext_expires_in: tokenLifetimeSeconds,
    access_token: await signer.sign(access),
    refresh_token: await signer.sign(refresh),
    refresh_token_expires_in: refreshUntil - epochSeconds(cloud),
    id_token: await signer.sign(identity),
    client_info: clientInfo(person, homeTenantId),
  };
}

/**
 * Returns who the refresh token was issued to.
 * @throws EntraRefusal
 */
export async function signedInBy(
  cloud: Cloud,
  signer: TokenSigner,
  token: string,
  clientId: string,
): Promise<SignedIn> {
  const claims = await claimsOf(signer, token);
  const person = PEOPLE.find(({ objectId }) => objectId === claims?.['oid']);
  if (claims?.aud !== REFRESH_AUDIENCE || claims['azp'] !== clientId || !person) throw new EntraRefusal(70000);
  const refreshUntil = claims.exp ?? 0;
  if (refreshUntil <= epochSeconds(cloud)) throw new EntraRefusal(700084);
  return { person, clientId, refreshUntil };
}

export const clientInfo = ({ objectId }: Person, tenantId: string): string =>
  Buffer.from(JSON.stringify({ uid: objectId, utid: tenantId })).toString('base64url');

function lifetime(cloud: Cloud): JWTPayload {
  const iat = epochSeconds(cloud);
  return { iat, nbf: iat, exp: iat + cloud.state.tokenLifetimeSeconds };
}

function personClaims(cloud: Cloud, { name, username, objectId }: Person): JWTPayload {
  const { homeTenantId } = cloud.state;
  return {
    iss: `${cloud.authorityHost()}/${homeTenantId}/v2.0`,
    name,
    oid: objectId,
    preferred_username: username,
    tid: homeTenantId,
    ver: '2.0',
  };
}

/** Returns the person's subject, which is another one for each audience. */
const pairwise = ({ objectId }: Person, audience: string): string =>
  createHash('sha256').update(`${objectId} ${audience}`).digest('base64url');

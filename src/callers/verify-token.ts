import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Principal } from './principal.ts';

/** One issuer of callers' tokens, as configured. */
export interface CallerIssuer {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly jwksUrl?: string | undefined;
  readonly rolesClaim: string;
  readonly subjectClaim?: 'azp' | 'appid' | 'sub' | undefined;
  /** Tenants by subject; a subject that isn't here may name all. */
  readonly limits?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** Turns a bearer token into its principal. @throws ServiceError `unauthenticated`, `identity-unavailable` */
export type VerifyToken = (token: string) => Promise<Principal>;

/** Asymmetric only (RFC 8725 §3.1, §3.2): a shared secret would make every holder an issuer. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** RFC 8725 §3.11: what an issuer signs for another purpose is no access token. Entra's say JWT, others' at+jwt (RFC 9068 §2.1). */
const TYPES: ReadonlySet<string> = new Set(['JWT', 'AT+JWT']);
const COMPACT = /^[\w-]+\.[\w-]+\.([\w-]+)$/;
const MAX_TOKEN_CHARACTERS = 12_000;
const MAX_REMEMBERED = 5_000;
const JWKS_TIMEOUT_MS = 5_000;
/** A discovery that failed is not tried again for so long. */
const DISCOVERY_COOLDOWN_MS = 5_000;
/** Unknown key ids don't make us ask the issuer more often than this. */
const JWKS_COOLDOWN_MS = 30_000;
const JWKS_MAX_AGE_MS = 600_000;

interface Remembered {
  readonly principal: Principal;
  /** Milliseconds of the epoch. */
  readonly expires: number;
}

/** Verifies tokens of the configured issuers; verified ones are remembered until they expire, a bounded number of them. */
export function createTokenVerifier(issuers: readonly CallerIssuer[], clock: Clock): VerifyToken {
  const byIssuer = new Map(issuers.flatMap((issuer) => acceptedForms(issuer).map((form) => [form.issuer, form])));
  const remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED });
  return async (token) => {
    const known = remembered.get(token);
    const now = clock.wallMs();
    if (known && now < known.expires) return known.principal;
    if (token.length > MAX_TOKEN_CHARACTERS || !isCanonical(token)) throw unauthenticated('signature');
    const issuer = byIssuer.get(claimedIssuer(token));
    if (!issuer) throw unauthenticated('issuer');
    const claims = await verify(token, issuer, now);
    const principal = principalOf(claims, issuer);
    remembered.set(token, { principal, expires: (claims.exp ?? 0) * 1_000 });
    return principal;
  };
}

interface AcceptedIssuer extends CallerIssuer {
  readonly keys: JWTVerifyGetKey;
}

const ENTRA_V2 = /^(https:\/\/login\.[a-z.]+)\/([0-9a-f-]{36})\/v2\.0$/;
const ENTRA_V1 = /^https:\/\/sts\.windows\.net\/([0-9a-f-]{36})\/$/;

/** Entra signs both forms of a directory's tokens by the same keys; which form comes is set on the API's registration. */
function acceptedForms(issuer: CallerIssuer): AcceptedIssuer[] {
  const keys = issuer.jwksUrl === undefined ? discoveredKeys(issuer.issuer) : remoteKeys(issuer.jwksUrl);
  const [, , v2Directory] = ENTRA_V2.exec(issuer.issuer) ?? [];
  const [, v1Directory] = ENTRA_V1.exec(issuer.issuer) ?? [];
  const forms = [issuer.issuer];
  if (v2Directory !== undefined) forms.push(`https://sts.windows.net/${v2Directory}/`);
  if (v1Directory !== undefined) forms.push(`https://login.microsoftonline.com/${v1Directory}/v2.0`);
  return forms.map((form) => ({ ...issuer, issuer: form, keys }));
}

/** jose shares one request among all who wait for it. */
function remoteKeys(url: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    cacheMaxAge: JWKS_MAX_AGE_MS,
  });
}

/** Finds an issuer's keys by OpenID Connect Discovery 1.0 §4 when the first token comes; a failure is forgotten after the cool-down. */
function discoveredKeys(issuer: string): JWTVerifyGetKey {
  let found: Promise<JWTVerifyGetKey> | undefined;
  const start = () => {
    const tried = discover(issuer);
    const forget = () => {
      if (found === tried) found = undefined;
    };
    tried.catch(() => setTimeout(forget, DISCOVERY_COOLDOWN_MS).unref()); // whoever awaits it gets the failure
    return tried;
  };
  return async (header, token) => {
    found ??= start();
    return (await found)(header, token);
  };
}

class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
}

async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  try {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const response = await fetch(url, { signal: AbortSignal.timeout(JWKS_TIMEOUT_MS), redirect: 'error' });
    const { jwks_uri: jwksUri } = (await response.json()) as { readonly jwks_uri?: unknown };
    if (typeof jwksUri !== 'string' || new URL(jwksUri).protocol !== 'https:')
      throw new TypeError('no jwks_uri of https');
    return remoteKeys(jwksUri);
  } catch (cause) {
    throw new DiscoveryError(`no discovery document of ${issuer}`, { cause });
  }
}

/** A header is what its issuer made of it, whatever its type says. */
const isAccessToken = (typ: unknown = 'JWT'): boolean =>
  typeof typ === 'string' && TYPES.has(typ.toUpperCase().replace(/^APPLICATION\//, ''));

/**
 * One spelling for one token: decoders pass over whitespace and spare bits. What is before the signature is signed as it stands; the
 * signature itself is not.
 */
function isCanonical(token: string): boolean {
  const signature = COMPACT.exec(token)?.[1];
  return signature !== undefined && Buffer.from(signature, 'base64url').toString('base64url') === signature;
}

function claimedIssuer(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    throw unauthenticated('signature');
  }
}

async function verify(token: string, issuer: AcceptedIssuer, now: number): Promise<JWTPayload> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, issuer.keys, {
      issuer: issuer.issuer,
      audience: [...issuer.audience],
      algorithms: ALGORITHMS,
      requiredClaims: ['exp'],
      currentDate: new Date(now),
    });
    if (!isAccessToken(protectedHeader.typ)) throw unauthenticated('signature');
    return payload;
  } catch (error) {
    throw toFailure(error);
  }
}

function toFailure(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof errors.JWTExpired) return unauthenticated('expired', error);
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud') return unauthenticated('audience', error);
    if (error.claim === 'iss') return unauthenticated('issuer', error);
    return unauthenticated('expired', error);
  }
  const isTokensFault =
    error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout) && error.code !== 'ERR_JOSE_GENERIC';
  if (isTokensFault) return unauthenticated('signature', error);
  return new ServiceError('identity-unavailable', "The keys of the token's issuer can't be read", {
    cause: error,
    retryAfter: 5,
  });
}

function principalOf(claims: JWTPayload, issuer: AcceptedIssuer): Principal {
  const names = issuer.subjectClaim ? [issuer.subjectClaim] : ['azp', 'appid', 'sub'];
  const subject = names.map((name) => claims[name]).find((value) => typeof value === 'string' && value !== '');
  if (typeof subject !== 'string') throw unauthenticated('signature');
  const roles = claims[issuer.rolesClaim];
  const limits = issuer.limits && Object.hasOwn(issuer.limits, subject) ? issuer.limits[subject] : undefined;
  return {
    id: `${issuer.issuer}#${subject}`,
    roles: new Set(Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : []),
    tenantIds: limits && new Set(limits),
  };
}

/** `reason` goes into `WWW-Authenticate` alone (RFC 6750 §3): the body is one for all. */
export function unauthenticated(reason: 'missing' | 'expired' | 'audience' | 'issuer' | 'signature', cause?: unknown) {
  return new ServiceError('unauthenticated', 'A valid bearer token is needed', { reason, cause });
}

import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Soon } from '../lib/when-ready.ts';
import type { CallerIssuer } from './caller-issuer.ts';
import { type DelegatedClient, isDelegated, personOf } from './delegated-caller.ts';
import { formsOf, type IssuerForm } from './issuer-forms.ts';
import { type IssuerKeys, openIssuerKeys } from './issuer-keys.ts';
import type { Principal } from './principal.ts';

/**
 * Returns the principal of a bearer token, at once if the token is remembered. Rejects with
 * ServiceError `unauthenticated` or `identity-unavailable`.
 */
export type VerifyToken = (token: string) => Soon<Principal>;

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
/**
 * RFC 8725 §3.11: a token that an issuer signs for another purpose is no access token. Entra's
 * tokens have the type JWT, others' at+jwt (RFC 9068 §2.1).
 */
const TYPES: ReadonlySet<string> = new Set(['JWT', 'AT+JWT']);
const COMPACT = /^[\w-]+\.[\w-]+\.([\w-]+)$/;
const MAX_TOKEN_CHARACTERS = 12_000;
const MAX_REMEMBERED = 5_000;
/** Allowed difference between the issuer's clock and ours for `nbf` and `exp`. */
const LEEWAY_SECONDS = 60;
/** Entra's longest tokens, those of managed identities, are valid for a day. */
const MAX_LIFETIME_SECONDS = 24 * 3_600;
/** Entra backdates `iat` by this much. */
const BACKDATED_SECONDS = 300;

interface AcceptedIssuer extends IssuerForm {
  readonly entry: CallerIssuer;
  readonly keys: IssuerKeys;
}

interface Remembered {
  readonly principal: Principal;
  readonly issuer: AcceptedIssuer;
  /** The read of the issuer's keys that verified it. */
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/**
 * Returns a verifier of the configured issuers' tokens. It caches a bounded number of verified
 * tokens until they expire, or until the issuer's keys are read again. `console`: the one app that
 * may call as a person.
 */
export function createTokenVerifier(
  issuers: readonly CallerIssuer[],
  clock: Clock,
  console?: DelegatedClient,
): VerifyToken {
  const byIssuer = new Map(issuers.flatMap((entry) => acceptedForms(entry, clock)));
  const remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED });
  const verifyWith = async (token: string, issuer: AcceptedIssuer, getKey: JWTVerifyGetKey): Promise<Principal> => {
    const claims = await verify(token, issuer, getKey, clock.wallMs());
    const principal = principalOf(claims, issuer, console);
    const expires = ((claims.exp ?? 0) + LEEWAY_SECONDS) * 1_000;
    remembered.set(token, { principal, issuer, generation: issuer.keys.generation(), expires });
    return principal;
  };
  const verifyNew = async (token: string): Promise<Principal> => {
    if (token.length > MAX_TOKEN_CHARACTERS || !isCanonical(token)) throw unauthenticated('signature');
    const issuer = byIssuer.get(claimedIssuer(token));
    if (!issuer) throw unauthenticated('issuer');
    return verifyWith(token, issuer, issuer.keys.current);
  };
  return (token) => {
    const known = remembered.get(token);
    if (known && clock.wallMs() < known.expires) {
      const { issuer, generation, principal } = known;
      if (issuer.keys.generation() === generation) return principal;
      remembered.delete(token);
      return verifyWith(token, issuer, issuer.keys.newest); // its key may have been removed from the set
    }
    return verifyNew(token);
  };
}

function acceptedForms(entry: CallerIssuer, clock: Clock): [string, AcceptedIssuer][] {
  const keys = openIssuerKeys(entry, clock);
  return formsOf(entry).map((form) => [form.issuer, { ...form, entry, keys }]);
}

/**
 * Returns whether the type is that of an access token. The issuer decides what the header contains,
 * so `typ` may be no string, whatever TypeScript's type is.
 */
const isAccessToken = (typ: unknown = 'JWT'): boolean =>
  typeof typ === 'string' && TYPES.has(typ.toUpperCase().replace(/^APPLICATION\//, ''));

/**
 * Returns whether the token has its one canonical spelling: decoders skip whitespace and spare
 * bits. The signature covers the parts before it as they are, but not itself.
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

async function verify(token: string, form: AcceptedIssuer, getKey: JWTVerifyGetKey, now: number): Promise<JWTPayload> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, getKey, {
      issuer: form.issuer,
      audience: [...form.entry.audience],
      algorithms: ALGORITHMS,
      clockTolerance: LEEWAY_SECONDS,
      currentDate: new Date(now),
    });
    if (!isAccessToken(protectedHeader.typ)) throw unauthenticated('signature');
    if (!isShortLived(payload, now / 1_000)) throw unauthenticated('lifetime');
    return payload;
  } catch (error) {
    throw toFailure(error);
  }
}

/**
 * Returns whether the lifetime is short. A token can't be revoked: a thief may use it until it
 * expires.
 */
function isShortLived({ exp, iat }: JWTPayload, nowSeconds: number): boolean {
  if (exp === undefined || exp - nowSeconds > MAX_LIFETIME_SECONDS + LEEWAY_SECONDS) return false;
  return iat === undefined || exp - iat <= MAX_LIFETIME_SECONDS + BACKDATED_SECONDS;
}

function toFailure(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof errors.JWTExpired) return unauthenticated('expired', error);
  if (error instanceof errors.JWTClaimValidationFailed) return unauthenticated(reasonOf(error), error);
  const isTokensFault =
    error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout) && error.code !== 'ERR_JOSE_GENERIC';
  if (isTokensFault) return unauthenticated('signature', error);
  return new ServiceError('identity-unavailable', "The keys of the token's issuer cannot be read", {
    cause: error,
    retryAfter: 5,
  });
}

function reasonOf({ claim, reason }: errors.JWTClaimValidationFailed): UnauthenticatedReason {
  if (claim === 'aud') return 'audience';
  if (claim === 'iss') return 'issuer';
  return claim === 'nbf' && reason === 'check_failed' ? 'not-yet-valid' : 'lifetime';
}

function principalOf(
  claims: JWTPayload,
  { issuer, subjectClaim, isEntra, entry }: AcceptedIssuer,
  console: DelegatedClient | undefined,
): Principal {
  const isOfPerson = isEntra && isDelegated(claims);
  const subject = isOfPerson ? personOf(claims, console) : claims[subjectClaim];
  if (typeof subject !== 'string' || subject === '') throw unauthenticated(isOfPerson ? 'delegated' : 'subject');
  const roles = claims[entry.rolesClaim];
  return {
    id: `${issuer}#${subject}`,
    roles: new Set(Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : []),
    tenantIds: entry.limits && tenantsOf(entry.limits, subject),
  };
}

/**
 * Returns the tenants of a subject; undefined for all of them. A subject that is not listed has
 * none.
 */
function tenantsOf(limits: NonNullable<CallerIssuer['limits']>, subject: string): ReadonlySet<string> | undefined {
  const tenants = (Object.hasOwn(limits, subject) ? limits[subject] : undefined) ?? [];
  return tenants.includes('*') ? undefined : new Set(tenants);
}

/** The reason that a token is refused. */
export type UnauthenticatedReason =
  | 'missing'
  | 'expired'
  | 'not-yet-valid'
  | 'lifetime'
  | 'audience'
  | 'issuer'
  | 'subject'
  | 'delegated'
  | 'signature';

/**
 * Returns the refusal. `reason` goes into `WWW-Authenticate` (RFC 6750 §3), and the body's `detail`
 * says the same in words.
 */
export function unauthenticated(reason: UnauthenticatedReason, cause?: unknown): ServiceError {
  return new ServiceError('unauthenticated', 'A valid bearer token is required', { reason, cause });
}

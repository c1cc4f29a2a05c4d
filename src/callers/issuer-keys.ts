import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type JSONWebKeySet,
  type JWKSCacheInput,
  type JWTVerifyGetKey,
  jwksCache,
} from 'jose';
import type { Clock } from '../lib/clock.ts';
import type { CallerIssuer } from './caller-issuer.ts';

const TIMEOUT_MS = 5_000;
/** Pause after a failure before the issuer is called again. */
const FAILURE_COOLDOWN_MS = 5_000;
/** Unknown key ids cause at most one call to the issuer in this time. */
const UNKNOWN_KEY_COOLDOWN_MS = 30_000;
/** A key that leaves the issuer's set verifies nothing after this time. */
const MAX_AGE_MS = 600_000;

/** The keys of one issuer, read when the first token arrives and again every 10 minutes. */
export interface IssuerKeys {
  /** Returns the key of a token. Calls the issuer if the set is absent or too old. */
  readonly current: JWTVerifyGetKey;
  /** Returns the key of a token from the newest set that was read, however old. */
  readonly newest: JWTVerifyGetKey;
  /**
   * Returns a number that changes with each read. Starts a read in the background when one is due.
   */
  generation(): number;
}

/** The discovery document cannot be used. The message names only the issuer. */
class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
}

/**
 * Returns an issuer's keys. jose shares one request among all callers that wait for it, and limits
 * how often unknown key ids cause one.
 */
export function openIssuerKeys(
  { issuer, jwksUrl }: Pick<CallerIssuer, 'issuer' | 'jwksUrl'>,
  clock: Clock,
): IssuerKeys {
  const cache: { jwks?: JSONWebKeySet } = {}; // jose fills it
  let readAtMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let generation = 0;
  const open = shared(async () => {
    const url = jwksUrl ?? (await discover(issuer)).jwksUrl;
    return createRemoteJWKSet(new URL(url), {
      timeoutDuration: TIMEOUT_MS,
      cooldownDuration: UNKNOWN_KEY_COOLDOWN_MS,
      cacheMaxAge: Number.POSITIVE_INFINITY, // this code checks the age, by the service's clock
      [jwksCache]: cache as JWKSCacheInput, // its type does not allow an empty one that is filled later
    });
  });
  let seen: JSONWebKeySet | undefined;
  let newest: JWTVerifyGetKey | undefined;
  const note = () => {
    const { jwks } = cache;
    if (!jwks || jwks === seen) return;
    seen = jwks;
    newest = createLocalJWKSet(seen);
    readAtMs = clock.monotonicMs();
    generation += 1;
  };
  const isStale = () => clock.monotonicMs() - readAtMs >= MAX_AGE_MS;
  const current: JWTVerifyGetKey = async (header, token) => {
    const keys = await open();
    try {
      if (newest && isStale()) await keys.reload();
      return await keys(header, token);
    } finally {
      note();
    }
  };
  const readAgain = async () => {
    triedAtMs = clock.monotonicMs();
    await (await open()).reload();
    note();
  };
  return {
    current,
    newest: (header, token) => (newest ?? current)(header, token),
    generation: () => {
      const isDue = isStale() && clock.monotonicMs() - triedAtMs >= FAILURE_COOLDOWN_MS;
      if (isDue) readAgain().catch(() => undefined); // known callers are served with the last set that was read
      return generation;
    },
  };
}

/**
 * Returns a function that shares the one result of `start`; a failure is forgotten after the
 * cool-down.
 */
function shared<T>(start: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    if (found) return found;
    const tried = start();
    found = tried;
    const forget = () => {
      if (found === tried) found = undefined;
    };
    tried.catch(() => setTimeout(forget, FAILURE_COOLDOWN_MS).unref()); // callers that await it get the failure
    return tried;
  };
}

interface Discovered {
  readonly jwksUrl: string;
  /** The issuer's own name. */
  readonly issuer: string | undefined;
}

/**
 * Returns the document of OpenID Connect Discovery 1.0 §4.
 * @throws DiscoveryError
 */
async function discover(issuer: string): Promise<Discovered> {
  try {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    const document = (await response.json()) as { readonly jwks_uri?: unknown; readonly issuer?: unknown };
    const { jwks_uri: jwksUrl, issuer: named } = document;
    if (typeof jwksUrl !== 'string' || new URL(jwksUrl).protocol !== 'https:')
      throw new TypeError('no jwks_uri of https');
    return { jwksUrl, issuer: typeof named === 'string' ? named : undefined };
  } catch (cause) {
    throw new DiscoveryError(`no valid discovery document of ${issuer}`, { cause });
  }
}

/**
 * Calls the issuer, and returns the problem of its entry; undefined if its tokens can be verified.
 */
export async function issuerTrouble({ issuer, jwksUrl }: CallerIssuer): Promise<string | undefined> {
  try {
    const { issuer: named, jwksUrl: found } = jwksUrl === undefined ? await discover(issuer) : { issuer, jwksUrl };
    // OpenID Connect Discovery 1.0 §4.3: the two must be the same, letter by letter.
    if (named !== issuer)
      return `its discovery document names the issuer ${named ?? '(none)'}, which its tokens will contain`;
    await createRemoteJWKSet(new URL(found), { timeoutDuration: TIMEOUT_MS }).reload();
    return undefined;
  } catch (error) {
    return error instanceof DiscoveryError ? 'its discovery document cannot be read' : 'its key set cannot be read';
  }
}

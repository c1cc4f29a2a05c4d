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
/** Time after a failure during which the issuer is not asked again. */
const FAILURE_COOLDOWN_MS = 5_000;
/** Unknown key ids make us ask the issuer no more often than this. */
const UNKNOWN_KEY_COOLDOWN_MS = 30_000;
/** A key that leaves the issuer's set verifies nothing after this time. */
const MAX_AGE_MS = 600_000;

/** The keys of one issuer, read when the first token comes and again every 10 minutes. */
export interface IssuerKeys {
  /** Finds the key of a token. Asks the issuer where the set is absent or too old. */
  readonly current: JWTVerifyGetKey;
  /** Finds the key of a token in the newest set that was read, however old. */
  readonly newest: JWTVerifyGetKey;
  /** Differs after each reading. Starts a reading in the background where one is due. */
  generation(): number;
}

/** The discovery document can't be used. The message names the issuer alone. */
class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
}

/** jose shares one request among all who wait for it, and bounds how often unknown key ids cause one. */
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
      cacheMaxAge: Number.POSITIVE_INFINITY, // the age is judged here, by the clock of the service
      [jwksCache]: cache as JWKSCacheInput, // its type has no empty one that is filled later
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
      if (isDue) readAgain().catch(() => undefined); // known callers are served by the set that was read last
      return generation;
    },
  };
}

/** Returns the one result of `start` to all; a failure is forgotten after the cool-down. */
function shared<T>(start: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    if (found) return found;
    const tried = start();
    found = tried;
    const forget = () => {
      if (found === tried) found = undefined;
    };
    tried.catch(() => setTimeout(forget, FAILURE_COOLDOWN_MS).unref()); // whoever awaits it gets the failure
    return tried;
  };
}

interface Discovered {
  readonly jwksUrl: string;
  /** The issuer's own name for itself. */
  readonly issuer: string | undefined;
}

/** Reads the document of OpenID Connect Discovery 1.0 §4. @throws DiscoveryError */
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
    throw new DiscoveryError(`no discovery document of ${issuer}`, { cause });
  }
}

/** Asks the issuer, and returns what is wrong with its entry; undefined where tokens of it can be verified. */
export async function issuerTrouble({ issuer, jwksUrl }: CallerIssuer): Promise<string | undefined> {
  try {
    const { issuer: named, jwksUrl: found } = jwksUrl === undefined ? await discover(issuer) : { issuer, jwksUrl };
    // OpenID Connect Discovery 1.0 §4.3: the two must be the same, letter by letter.
    if (named !== issuer) return `its discovery document names the issuer ${named ?? '(none)'}, which tokens will have`;
    await createRemoteJWKSet(new URL(found), { timeoutDuration: TIMEOUT_MS }).reload();
    return undefined;
  } catch (error) {
    return error instanceof DiscoveryError
      ? 'its discovery document cannot be read'
      : 'its keys cannot be read at the address of its key set';
  }
}

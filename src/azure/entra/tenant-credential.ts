import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/core-auth';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { singleFlight } from '../../lib/single-flight.ts';
import { type AzureObserver, observed, tokenOutcome } from '../call-outcomes.ts';
import { withinDeadline } from '../deadline.ts';
import type { HomeCredential } from '../home/home-credential.ts';
import { signInFailure } from '../sign-in-failures.ts';
import { vaultElsewhere } from '../vault/vault-failures.ts';

export interface TenantCredentialOptions {
  readonly home: HomeCredential;
  readonly appId: string;
  readonly entraTenantId: string;
  /** A token older than this is replaced before it is used again, so that Entra is asked whether we may still come in. */
  readonly tokenMaxAgeMs: number;
  /** Longest wait for Entra; less than the deadline of the vault call that needs the token, so that it is known who did not answer. */
  readonly signInTimeoutMs?: number;
  readonly clock: Clock;
  readonly observer?: AzureObserver | undefined;
}

interface Held {
  readonly token: string;
  /** Monotonic. */
  readonly since: number;
  /** Milliseconds of the epoch. */
  readonly expires: number;
}

/** After Entra did not answer, the token held serves for so long before Entra is asked again, with nobody waiting. */
const ASK_AGAIN_AFTER_MS = 10_000;
const EXPIRY_MARGIN_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 8_000;
/** Whatever the clock says. */
const LONG_EXPIRED = 0;

/**
 * Our sign-in to one customer's directory, pinned to it. It owns the policy for tokens: the SDK's own cycler keeps one for its
 * whole life and swallows Entra's refusals until then. So the SDK is told that each token expires at once, and asks every time;
 * `enableCae` and claims are ignored, as they would only make a second cache.
 */
export class TenantCredential implements TokenCredential {
  readonly #options: TenantCredentialOptions;
  readonly #held = new Map<string, Held>();
  readonly #signIns = new Map<string, Promise<Held>>();
  /** By scope: when Entra is asked again after it did not answer. Monotonic. */
  readonly #askAgainAt = new Map<string, number>();

  constructor(options: TenantCredentialOptions) {
    this.#options = options;
  }

  /** @throws ServiceError as `signInFailure`, or `tenant-misconfigured` for a vault whose challenge names another directory */
  async getToken(scopes: string | string[], options: GetTokenOptions = {}): Promise<AccessToken> {
    const { entraTenantId } = this.#options;
    if (options.tenantId !== undefined && options.tenantId.toLowerCase() !== entraTenantId) throw vaultElsewhere();
    const scope = [scopes].flat().join(' ');
    const { token } = this.#fresh(scope) ?? this.#throughOutage(scope) ?? (await this.#replace(scope));
    return { token, expiresOnTimestamp: LONG_EXPIRED };
  }

  /** The token held, unless it is old or about to expire. */
  #fresh(scope: string): Held | undefined {
    const held = this.#held.get(scope);
    const isYoung = held !== undefined && this.#options.clock.monotonicMs() - held.since < this.#options.tokenMaxAgeMs;
    return isYoung && this.#isValid(held) ? held : undefined;
  }

  #isValid(held: Held): boolean {
    return this.#options.clock.wallMs() < held.expires - EXPIRY_MARGIN_MS;
  }

  /**
   * While Entra is away nobody waits for it again and again: the old token serves, and Entra is asked behind the scenes. Only in an outage
   * seen just now: an old token must not prove access after a hiccup of minutes ago.
   */
  #throughOutage(scope: string): Held | undefined {
    const askAgainAt = this.#askAgainAt.get(scope);
    const held = this.#held.get(scope);
    if (askAgainAt === undefined || !held || !this.#isValid(held)) return undefined;
    const now = this.#options.clock.monotonicMs();
    if (now >= askAgainAt + ASK_AGAIN_AFTER_MS) return undefined;
    if (now >= askAgainAt) this.#replace(scope).catch(() => undefined); // the next call asks and is told
    return held;
  }

  /** Entra refuses: revoked, and the old token goes. Entra does not answer: the old token serves while it is valid. */
  async #replace(scope: string): Promise<Held> {
    try {
      return await singleFlight(this.#signIns, scope, () => this.#signIn(scope));
    } catch (error) {
      const failure = signInFailure(error, this.#options);
      const held = this.#held.get(scope);
      if (failure.code === 'identity-unavailable' && held && this.#isValid(held)) {
        this.#askAgainAt.set(scope, this.#options.clock.monotonicMs() + ASK_AGAIN_AFTER_MS);
        return held;
      }
      this.#askAgainAt.delete(scope);
      if (failure.scope === 'tenant') this.#held.clear();
      throw failure;
    }
  }

  /** Not under the caller's signal: others wait for it too. */
  async #signIn(scope: string): Promise<Held> {
    const { home, entraTenantId, clock, signInTimeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    const since = clock.monotonicMs();
    const signIn = (signal: AbortSignal) => home.signIn(entraTenantId, scope, signal);
    const { token, expiresOnTimestamp } = await observed(
      () => withinDeadline(signInTimeoutMs, signIn, () => false),
      (error) => tokenOutcome(signInFailure(error, this.#options)),
      (outcome, seconds) => this.#options.observer?.tokenRequest(outcome, seconds),
    );
    const held = { token, since, expires: expiresOnTimestamp };
    this.#held.set(scope, held);
    this.#askAgainAt.delete(scope);
    return held;
  }
}

/** Failures of a sign-in that one more try may mend. */
export const isSignInOutage = (error: unknown): boolean =>
  error instanceof ServiceError &&
  error.code === 'identity-unavailable' &&
  error.reason !== 'throttled' &&
  error.reason !== 'timeout';

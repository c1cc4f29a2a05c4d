import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/core-auth';
import type { Clock } from '../../lib/clock.ts';
import { singleFlight } from '../../lib/single-flight.ts';
import { signInFailure } from '../sign-in-failures.ts';
import { vaultElsewhere } from '../vault/vault-failures.ts';
import type { SignIns } from './sign-ins.ts';

export interface TenantCredentialOptions {
  readonly signIns: Pick<SignIns, 'appId' | 'signIn'>;
  readonly entraTenantId: string;
  /**
   * An older token is replaced before its next use, so that Entra checks whether the app may still
   * sign in.
   */
  readonly tokenMaxAgeMs: number;
  readonly clock: Clock;
}

interface Held {
  readonly token: string;
  /** Monotonic milliseconds. */
  readonly since: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/**
 * How long the cached token serves after Entra did not answer; then Entra is called again in the
 * background.
 */
const ASK_AGAIN_AFTER_MS = 10_000;
const RENEW_EVERY_MS = 10_000;
const EXPIRY_MARGIN_MS = 30_000;
/** In the past on any clock. */
const LONG_EXPIRED = 0;

/**
 * The app's token for one customer's directory, and for no other. This class decides how long
 * tokens are used: the SDK's own cache keeps a token for its whole life and hides Entra's refusals
 * until then. The SDK gets each token as expired, so it asks every time. `enableCae` and claims are
 * ignored, because they would only create a second cache.
 */
export class TenantCredential implements TokenCredential {
  readonly #options: TenantCredentialOptions;
  readonly #held = new Map<string, Held>();
  readonly #signIns = new Map<string, Promise<Held>>();
  /** By scope: when to call Entra again after it did not answer. Monotonic. */
  readonly #askAgainAt = new Map<string, number>();
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TenantCredentialOptions) {
    this.#options = options;
  }

  /**
   * Returns the token.
   * @throws ServiceError as `signInFailure`, or `tenant-misconfigured` for a vault whose challenge
   * names another directory
   */
  async getToken(scopes: string | string[], options: GetTokenOptions = {}): Promise<AccessToken> {
    const { entraTenantId } = this.#options;
    if (options.tenantId !== undefined && options.tenantId.toLowerCase() !== entraTenantId) throw vaultElsewhere();
    const scope = [scopes].flat().join(' ');
    const { token } = this.#fresh(scope) ?? this.#throughOutage(scope) ?? (await this.#replace(scope));
    return { token, expiresOnTimestamp: LONG_EXPIRED };
  }

  /** Makes the next call sign in again, at most every 10 s: the vault did not accept the token. */
  renew(): void {
    const now = this.#options.clock.monotonicMs();
    if (now < this.#renewedAt + RENEW_EVERY_MS) return;
    this.#renewedAt = now;
    for (const [scope, held] of this.#held) this.#held.set(scope, { ...held, since: Number.NEGATIVE_INFINITY });
  }

  /** Returns the cached token, unless it is old or about to expire. */
  #fresh(scope: string): Held | undefined {
    const held = this.#held.get(scope);
    const isYoung = held !== undefined && this.#options.clock.monotonicMs() - held.since < this.#options.tokenMaxAgeMs;
    return isYoung && this.#isValid(held) ? held : undefined;
  }

  #isValid(held: Held): boolean {
    return this.#options.clock.wallMs() < held.expires - EXPIRY_MARGIN_MS;
  }

  /**
   * Returns the old token while Entra does not answer, so that requests need not wait; Entra is
   * called in the background. This applies only to a current outage: after one that is minutes old,
   * an old token must not prove access.
   */
  #throughOutage(scope: string): Held | undefined {
    const askAgainAt = this.#askAgainAt.get(scope);
    const held = this.#held.get(scope);
    if (askAgainAt === undefined || !held || !this.#isValid(held)) return undefined;
    const now = this.#options.clock.monotonicMs();
    if (now >= askAgainAt + ASK_AGAIN_AFTER_MS) return undefined;
    if (now >= askAgainAt) this.#replace(scope).catch(() => undefined); // the next call gets the failure
    return held;
  }

  /**
   * Returns a new token, or the old one while Entra does not answer. A refusal deletes the old
   * tokens of all scopes.
   */
  async #replace(scope: string): Promise<Held> {
    const { signIns, entraTenantId } = this.#options;
    try {
      return await singleFlight(this.#signIns, scope, () => this.#signIn(scope));
    } catch (error) {
      const failure = signInFailure(error, { appId: signIns.appId, entraTenantId });
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

  /**
   * Returns a new token. It ignores the caller's signal, because other requests wait for it too.
   */
  async #signIn(scope: string): Promise<Held> {
    const { signIns, entraTenantId, clock } = this.#options;
    const since = clock.monotonicMs();
    const { token, expiresOnTimestamp } = await signIns.signIn(entraTenantId, scope);
    const held = { token, since, expires: expiresOnTimestamp };
    this.#held.set(scope, held);
    this.#askAgainAt.delete(scope);
    return held;
  }
}

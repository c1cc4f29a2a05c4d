import type { ServiceError, VaultCallIds } from '../errors.ts';

/**
 * After a refusal, one request in this many milliseconds may call the vault to check whether access
 * is back.
 */
const PROBE_EVERY_MS = 10_000;
/**
 * A key version that never answered and is absent is most likely wrong: it causes fewer vault
 * calls.
 */
const PROBE_UNKNOWN_EVERY_MS = 60_000;
/**
 * A proof is renewed at a random time of 50 to 80 % of its bound. After a restart all proofs have
 * the same age: without the spread, their renewals would reach vaults and Entra in waves. The last
 * 20 % are for retries during an outage.
 */
const RENEW_PART = 0.5;
const RENEW_SPREAD = 0.3;
/** A renewal that failed because of an outage is retried after this part of the bound. */
const RETRY_PART = 1 / 20;

/**
 * The known state of our access to one key version, or to a whole tenant: the last proof or the
 * last refusal. A proof is a successful unwrap, timed from the start of its request on the
 * monotonic clock. It is valid for the revocation bound.
 */
export class Access {
  readonly #boundMs: number;
  readonly #jitter: () => number;
  #provenAt = Number.NEGATIVE_INFINITY;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #refusal: ServiceError | undefined;
  #probeAt = 0;
  #renewAt = 0;
  #vaultCall: VaultCallIds | undefined;

  constructor(boundMs: number, jitter: () => number) {
    this.#boundMs = boundMs;
    this.#jitter = jitter;
  }

  /** Returns the ids of the vault call that is the proof; undefined if access was never proven. */
  get vaultCall(): VaultCallIds | undefined {
    return this.#vaultCall;
  }

  /** Returns the end of the proof, in monotonic milliseconds. */
  get endsAt(): number {
    return this.#provenAt + this.#boundMs;
  }

  /** Returns whether at least half of the proof's time is left. */
  hasHalfLeft(now: number): boolean {
    return this.endsAt - now >= this.#boundMs / 2;
  }

  isFresh(now: number): boolean {
    return now - this.#provenAt < this.#boundMs;
  }

  /**
   * Returns true once when a renewal is due, and again after each part of the bound until one
   * succeeds.
   */
  takeRenewal(now: number): boolean {
    if (now < this.#renewAt) return false;
    this.#renewAt = now + this.#boundMs * RETRY_PART;
    return true;
  }

  /**
   * Checks for a refusal.
   * @throws ServiceError the cached refusal, while it need not be checked again
   */
  check(now: number): void {
    if (this.#refusal !== undefined && now < this.#probeAt) throw this.#refusal;
  }

  /**
   * Admits a request.
   * @throws ServiceError the cached refusal, unless this request may check whether it still applies
   */
  admit(now: number): void {
    this.check(now);
    if (this.#refusal !== undefined) this.#probeAt = now + PROBE_EVERY_MS;
  }

  /**
   * Notes that the vault answered a call that started at this time: an earlier refusal no longer
   * applies. A call older than the refusal proves nothing.
   */
  answered(startedAt: number): void {
    if (startedAt >= this.#refusedAt) this.#refusal = undefined;
  }

  /** Notes the same for a successful unwrap, which proves access. */
  proven(startedAt: number, vaultCall: VaultCallIds): void {
    if (startedAt < this.#refusedAt || startedAt < this.#provenAt) return;
    this.answered(startedAt);
    this.#provenAt = startedAt;
    this.#renewAt = startedAt + this.#boundMs * (RENEW_PART + RENEW_SPREAD * this.#jitter());
    this.#vaultCall = vaultCall;
  }

  refused(refusal: ServiceError, now: number): void {
    const isUnknown = this.#vaultCall === undefined && refusal.reason === 'key-absent';
    this.#refusal = refusal;
    this.#refusedAt = now;
    this.#provenAt = Number.NEGATIVE_INFINITY;
    this.#probeAt = now + (isUnknown ? PROBE_UNKNOWN_EVERY_MS : PROBE_EVERY_MS);
  }
}

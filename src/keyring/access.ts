import type { ServiceError, VaultCallIds } from '../errors.ts';
import type { ProofOfAccess } from './policy/assert-allowed.ts';
import type { PolicyOfKey } from './policy/key-policies.ts';

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
 * monotonic clock. It is valid for the revocation bound, or for less if the customer's policy on the
 * key says so, and only while that policy is known.
 */
export class Access {
  readonly #boundMs: number;
  readonly #jitter: () => number;
  #provenAt = Number.NEGATIVE_INFINITY;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #refusal: ServiceError | undefined;
  #probeAt = 0;
  #renewAt = 0;
  #vaultCall: ProofOfAccess | undefined;
  readonly #policy: PolicyOfKey | undefined;

  /** @param policy that on the key; absent for an access to a whole tenant, or to a key's facts */
  constructor(boundMs: number, jitter: () => number, policy?: PolicyOfKey) {
    this.#boundMs = boundMs;
    this.#jitter = jitter;
    this.#policy = policy;
  }

  /** Returns the last proof and the policy now on the key; undefined if access was never proven. */
  get vaultCall(): ProofOfAccess | undefined {
    const rules = this.#policy?.policy;
    if (this.#vaultCall !== undefined && this.#vaultCall.rules !== rules) {
      this.#vaultCall = { ...this.#vaultCall, rules, policy: rules?.hash };
    }
    return this.#vaultCall;
  }

  /** Returns how long a proof is valid: the tenant's bound, or the customer's if that is shorter. */
  get boundMs(): number {
    return this.#policy?.boundMs ?? this.#boundMs;
  }

  /** Returns the end of the proof, in monotonic milliseconds. */
  get endsAt(): number {
    return this.#provenAt + this.boundMs;
  }

  /** Returns whether at least half of the proof's time is left. */
  hasHalfLeft(now: number): boolean {
    return this.endsAt - now >= this.boundMs / 2;
  }

  isFresh(now: number): boolean {
    return this.isProven(now) && (this.#policy?.isCurrent(now) ?? true);
  }

  /** Returns whether a proof is valid, whatever is known of the policy. */
  isProven(now: number): boolean {
    return now - this.#provenAt < this.boundMs;
  }

  /**
   * Returns true once when a renewal is due, and again after each part of the bound until one
   * succeeds.
   */
  takeRenewal(now: number): boolean {
    if (now < this.#renewAt) return false;
    this.#renewAt = now + this.boundMs * RETRY_PART;
    return true;
  }

  /** Returns true once when the policy of a key that never carried one must be read again. */
  takePolicyRenewal(now: number): boolean {
    return this.#policy?.takeRenewal(now) ?? false;
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
    this.#renewAt = startedAt + this.boundMs * (RENEW_PART + RENEW_SPREAD * this.#jitter());
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

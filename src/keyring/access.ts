import type { ServiceError, VaultCallIds } from '../errors.ts';

/** After a refusal one request in this many milliseconds may ask the vault whether access is back. */
const PROBE_EVERY_MS = 10_000;
/** A key version that never answered and is absent is most likely a wrong one: it costs the vault less often. */
const PROBE_UNKNOWN_EVERY_MS = 60_000;
/**
 * A proof is renewed at a random time of 50 to 80 % of its bound. After a restart proofs are all of one age: without the
 * spread their renewals would reach vaults and Entra in waves. The last 20 % are for retries during an outage.
 */
const RENEW_PART = 0.5;
const RENEW_SPREAD = 0.3;
/** A renewal that met an outage is retried after this part of the bound. */
const RETRY_PART = 1 / 20;

/**
 * What is known of our access to one key version, or to a whole tenant: the last proof of it or the last refusal.
 * A proof is a successful unwrap, timed from the start of its request on the monotonic clock, and holds for the revocation bound.
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

  /** Returns the ids of the vault call that is the proof; undefined where access was never proven. */
  get vaultCall(): VaultCallIds | undefined {
    return this.#vaultCall;
  }

  /** Returns when the proof ends, in monotonic milliseconds. */
  get endsAt(): number {
    return this.#provenAt + this.#boundMs;
  }

  isFresh(now: number): boolean {
    return now - this.#provenAt < this.#boundMs;
  }

  /** Returns true once when a renewal is due, and again after each part of the bound until one succeeds. */
  takeRenewal(now: number): boolean {
    if (now < this.#renewAt) return false;
    this.#renewAt = now + this.#boundMs * RETRY_PART;
    return true;
  }

  /** @throws ServiceError the remembered refusal, as long as it need not be questioned */
  check(now: number): void {
    if (this.#refusal !== undefined && now < this.#probeAt) throw this.#refusal;
  }

  /** @throws ServiceError the remembered refusal, unless this request is the one that may find out whether it still holds */
  admit(now: number): void {
    this.check(now);
    if (this.#refusal !== undefined) this.#probeAt = now + PROBE_EVERY_MS;
  }

  /** The vault answered a call that started at this time: an earlier refusal holds no more. A call older than the refusal says nothing. */
  answered(startedAt: number): void {
    if (startedAt >= this.#refusedAt) this.#refusal = undefined;
  }

  /** The same for a successful unwrap, which proves access. */
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

import { ServiceError } from '../errors.ts';
import { commitmentOf, DATA_KEY_BYTES, type DataKey, type WrappedDataKey } from '../format/data-key.ts';
import { type KekRef, kidOf } from '../format/kek-ref.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { singleFlight } from '../lib/single-flight.ts';
import type { Tenant } from '../tenants/record.ts';
import { Access } from './access.ts';
import type { DataKeyCounts } from './data-key-counts.ts';
import { type KeyWrapper, type VaultResult, type VaultUse, wrongBytes } from './key-wrapper.ts';
import type { ProofOfAccess } from './policy/assert-allowed.ts';
import { KeyPolicies } from './policy/key-policies.ts';

const MAX_KEY_VERSIONS = 256;

export interface ProofsDeps {
  readonly wrapper: KeyWrapper;
  readonly clock: Clock;
  readonly revocationBoundMs: number;
  /** Returns a random number from 0 to 1, which spreads renewals. */
  readonly jitter: () => number;
  /** Called with failures that no request waits for: a renewal or minting ahead of time. */
  readonly onBackgroundFailure: (error: unknown) => void;
  readonly counts: DataKeyCounts;
}

/** Evicts the data keys under one key version; without one, all of the tenant's. */
export type Evict = (kid?: string) => void;

/**
 * The vault's answers about access to one tenant's key versions, and the calls that obtain them.
 */
export class Proofs {
  readonly #tenant: Tenant;
  readonly #deps: ProofsDeps;
  readonly #evict: Evict;
  /** The customer's policies on the keys. */
  readonly policies: KeyPolicies;
  readonly #signIn: Access;
  readonly #access = new BoundedMap<Access>(MAX_KEY_VERSIONS);
  /** Of keys that are read for their policy alone. */
  readonly #reads = new BoundedMap<Access>(MAX_KEY_VERSIONS);
  readonly #renewals = new Map<string, Promise<void>>();

  constructor(tenant: Tenant, deps: ProofsDeps, evict: Evict) {
    this.#tenant = tenant;
    this.#deps = deps;
    this.#evict = evict;
    this.policies = new KeyPolicies(tenant, deps.wrapper, deps.clock, deps.revocationBoundMs);
    this.#signIn = new Access(deps.revocationBoundMs, deps.jitter);
  }

  accessTo(kid: string): Access {
    const known = this.#access.get(kid);
    if (known) return known;
    const access = new Access(this.#deps.revocationBoundMs, this.#deps.jitter, this.policies.of(kid));
    this.#access.set(kid, access);
    return access;
  }

  /**
   * Renews the proof of access to a data key's KEK in the background, from half of the bound on.
   * Returns that access.
   */
  renewAhead(dataKey: DataKey, now: number): Access {
    const access = this.accessTo(dataKey.kid);
    const { onBackgroundFailure } = this.#deps;
    if (access.takeRenewal(now)) this.prove(dataKey).catch(onBackgroundFailure);
    else if (access.takePolicyRenewal(now)) this.policies.refresh(dataKey.kek).catch(onBackgroundFailure);
    return access;
  }

  /**
   * Makes access to a data key's KEK fresh: proves it, or only reads the policy if that alone is out
   * of date.
   */
  async freshen(dataKey: DataKey): Promise<void> {
    const access = this.accessTo(dataKey.kid);
    if (!access.isProven(this.#deps.clock.monotonicMs())) return this.prove(dataKey);
    await this.ask(
      access,
      () => this.policies.refresh(dataKey.kek),
      () => this.#evict(dataKey.kid),
    );
  }

  /**
   * Makes the vault unwrap this data key again; concurrent requests for the same KEK share the
   * answer.
   */
  prove(dataKey: DataKey): Promise<void> {
    return singleFlight(this.#renewals, dataKey.kid, async () => {
      const { bytes } = await this.unwrap(dataKey, 'upkeep', (unwrapped) => this.#isSame(unwrapped, dataKey));
      bytes.fill(0);
      this.#deps.counts.proofs += 1;
    });
  }

  #isSame(unwrapped: Buffer, dataKey: DataKey): boolean {
    if (unwrapped.length !== DATA_KEY_BYTES) return false;
    if (commitmentOf(unwrapped) === dataKey.commitment) return true;
    this.#evict(dataKey.kid); // the key in memory may be the wrong one
    return false;
  }

  /**
   * Returns an unwrapped data key. This proves access unless `isOurs` rejects the answer.
   * @throws ServiceError as KeyWrapper, and the cached refusals
   */
  async unwrap(wrapped: WrappedDataKey, use: VaultUse, isOurs: (unwrapped: Buffer) => boolean): Promise<VaultResult> {
    const access = this.accessTo(wrapped.kid);
    const { clock, wrapper } = this.#deps;
    const startedAt = clock.monotonicMs();
    this.#signIn.admit(startedAt);
    access.admit(startedAt);
    try {
      await this.policies.refresh(wrapped.kek);
      const bytes = Buffer.from(wrapped.encryptedKey, 'base64url');
      const unwrapped = await wrapper.unwrapKey(this.#tenant, wrapped.kek, wrapped.algorithm, bytes, use);
      if (!isOurs(unwrapped.bytes)) {
        unwrapped.bytes.fill(0);
        throw wrongBytes();
      }
      access.proven(startedAt, unwrapped.vaultCall);
      this.#signIn.answered(startedAt);
      return unwrapped;
    } catch (error) {
      this.#noteRefusal(error, startedAt, access, () => this.#evict(wrapped.kid));
      throw error;
    }
  }

  /**
   * Returns the policy on a key, read again if it is out of date.
   * @throws ServiceError as KeyWrapper.readKey, and the cached refusals
   */
  async policyOf(kek: KekRef): Promise<ProofOfAccess> {
    const kid = kidOf(kek);
    const known = this.policies.of(kid);
    if (!known.isCurrent(this.#deps.clock.monotonicMs())) {
      await this.ask(
        this.#readsOf(kid),
        () => this.policies.refresh(kek),
        () => undefined,
      );
    }
    return known.policy ? { rules: known.policy, policy: known.policy.hash } : {};
  }

  #readsOf(kid: string): Access {
    const known = this.#reads.get(kid);
    if (known) return known;
    const access = new Access(this.#deps.revocationBoundMs, this.#deps.jitter);
    this.#reads.set(kid, access);
    return access;
  }

  /**
   * Runs a vault call that proves no access, such as a wrap; its outcome counts for `access` only.
   */
  async ask<T>(access: Access, call: () => Promise<T>, evict: () => void): Promise<T> {
    const startedAt = this.#deps.clock.monotonicMs();
    this.#signIn.admit(startedAt);
    access.admit(startedAt);
    try {
      const answer = await call();
      access.answered(startedAt);
      this.#signIn.answered(startedAt);
      return answer;
    } catch (error) {
      this.#noteRefusal(error, startedAt, access, evict);
      throw error;
    }
  }

  /**
   * Evicts at once on a definite refusal, by key or for the tenant; timeouts, resets, 429 and 5xx
   * leave access unchanged.
   */
  #noteRefusal(error: unknown, startedAt: number, access: Access, evict: () => void): void {
    if (!(error instanceof ServiceError)) return;
    if (error.code === 'undecryptable') {
      access.answered(startedAt); // a vault that judges a ciphertext has granted us access
      this.#signIn.answered(startedAt);
    }
    if (error.scope === undefined) return;
    this.#deps.counts.refused(error);
    const now = this.#deps.clock.monotonicMs();
    if (error.scope === 'key') {
      this.#signIn.answered(startedAt); // only a successful sign-in reaches the vault
      access.refused(error, now);
      evict();
    } else {
      this.#signIn.refused(error, now);
      this.#access.clear();
      this.#evict();
    }
  }
}

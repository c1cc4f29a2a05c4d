import { ServiceError } from '../../errors.ts';
import { type KekRef, kidOf } from '../../format/kek-ref.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Clock } from '../../lib/clock.ts';
import { singleFlight } from '../../lib/single-flight.ts';
import { isSameKey, type Tenant } from '../../tenants/record.ts';
import type { KekFacts, KeyWrapper } from '../key-wrapper.ts';
import { type KeyPolicy, policyOf } from './key-policy.ts';

/**
 * A key without a policy is read again after this time, unless the reading of its newest version,
 * each 15 minutes, already did …
 */
const REREAD_AFTER_MS = 18 * 60_000;
/** … and may be used no longer than this without having been read. */
const VALID_MS = 20 * 60_000;
/** An unreadable policy is read again after this time: the customer may have corrected it. */
const RETRY_AFTER_MS = 10_000;
/** A policy is read again by each renewal of a proof, which comes after half of the bound. */
const REREAD_PART = 0.45;
const MAX_KEYS = 256;

/** The known policy of one key, whatever the version. */
export class PolicyOfKey {
  readonly #clock: Clock;
  readonly #boundMs: number;
  #policy: KeyPolicy | undefined;
  #hasCarried: boolean = false;
  #readAt = Number.NEGATIVE_INFINITY;
  #refusal: ServiceError | undefined;
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, boundMs: number) {
    this.#clock = clock;
    this.#boundMs = boundMs;
  }

  get policy(): KeyPolicy | undefined {
    return this.#policy;
  }

  /** Returns the longest use of a proof under this policy. */
  get boundMs(): number {
    return Math.min(this.#boundMs, this.#policy?.boundMs ?? this.#boundMs);
  }

  isCurrent(now: number): boolean {
    return this.#refusal === undefined && now - this.#readAt < (this.#hasCarried ? this.boundMs : VALID_MS);
  }

  /** Returns whether the next renewal of a proof must read the key again. */
  isDue(now: number): boolean {
    return now - this.#readAt >= (this.#hasCarried ? this.boundMs * REREAD_PART : REREAD_AFTER_MS);
  }

  /**
   * Returns true once when a key that never carried a policy must be read again. A key that did is
   * read with each renewal of a proof.
   */
  takeRenewal(now: number): boolean {
    if (this.#hasCarried || now < this.#retryAt || !this.isDue(now)) return false;
    this.#retryAt = now + RETRY_AFTER_MS;
    return true;
  }

  /**
   * Checks for an unreadable policy.
   * @throws ServiceError `tenant-misconfigured`, while the key need not be read again
   */
  check(now: number): void {
    if (this.#refusal !== undefined && now < this.#retryAt) throw this.#refusal;
  }

  /**
   * Notes the key's tags as of this time.
   * @throws ServiceError `tenant-misconfigured`, reason `policy-unreadable`
   */
  learn(tags: Readonly<Record<string, string>>, kek: KekRef, readAt: number): void {
    if (readAt < this.#readAt) return;
    this.#readAt = readAt;
    this.#refusal = undefined;
    try {
      this.#policy = readablePolicyOf(tags, kek);
      this.#hasCarried ||= this.#policy !== undefined;
    } catch (error) {
      this.#hasCarried = true;
      this.#refusal = error as ServiceError; // it throws nothing else
      this.#retryAt = this.#clock.monotonicMs() + RETRY_AFTER_MS;
      throw error;
    }
  }

  /** Notes that the newest version can't be read because it is disabled: its last policy stays. */
  keep(readAt: number): boolean {
    if (!this.#hasCarried || this.#refusal !== undefined) return false;
    this.#readAt = Math.max(this.#readAt, readAt);
    return true;
  }
}

/** The policies on one tenant's keys, as this process last read them. */
export class KeyPolicies {
  readonly #tenant: Tenant;
  readonly #wrapper: Pick<KeyWrapper, 'readKey'>;
  readonly #clock: Clock;
  readonly #boundMs: number;
  readonly #keys = new BoundedMap<PolicyOfKey>(MAX_KEYS);
  readonly #reads = new Map<string, Promise<void>>();

  constructor(tenant: Tenant, wrapper: Pick<KeyWrapper, 'readKey'>, clock: Clock, boundMs: number) {
    this.#tenant = tenant;
    this.#wrapper = wrapper;
    this.#clock = clock;
    this.#boundMs = boundMs;
  }

  /** Returns what is known of the key that a key version belongs to. */
  of(kid: string): PolicyOfKey {
    const id = kid.slice(0, kid.lastIndexOf('/')).toLowerCase();
    const known = this.#keys.get(id);
    if (known) return known;
    const created = new PolicyOfKey(this.#clock, this.#boundMs);
    this.#keys.set(id, created);
    return created;
  }

  /**
   * Notes the tags of a key that was read for another purpose, from this time on.
   * @throws ServiceError `tenant-misconfigured`, reason `policy-unreadable`
   */
  learn({ kek, tags = {} }: KekFacts, readAt: number): void {
    this.of(kidOf(kek)).learn(tags, kek, readAt);
  }

  /**
   * Reads the key again if its policy is due; concurrent requests share the read.
   * @throws ServiceError as KeyWrapper.readKey, and `policy-unreadable`
   */
  async refresh(kek: KekRef): Promise<void> {
    const now = this.#clock.monotonicMs();
    const known = this.of(kidOf(kek));
    known.check(now);
    if (!known.isDue(now) && known.isCurrent(now)) return;
    await singleFlight(this.#reads, `${kek.vaultUrl}/${kek.name}`, () => this.#read(kek, known));
  }

  /** The tags are those of the pinned version, else of the newest. */
  async #read(kek: KekRef, known: PolicyOfKey): Promise<void> {
    const readAt = this.#clock.monotonicMs();
    const { vaultUrl, name } = kek;
    const registered = Object.values(this.#tenant.keys).find((key) => isSameKey(key, kek));
    try {
      this.learn(await this.#wrapper.readKey(this.#tenant, registered ?? { vaultUrl, name }), readAt);
    } catch (error) {
      // Some vaults don't return a disabled key. Old versions still open, under the last known
      // policy or under the tags of their own.
      if (!isDisabled(error) || registered?.keyVersion === kek.keyVersion) throw error;
      if (known.keep(readAt)) return;
      const own = await this.#wrapper.readKey(this.#tenant, kek).catch((again: unknown) => {
        throw isDisabled(again) ? error : again;
      });
      known.learn(own.tags ?? {}, kek, readAt);
    }
  }
}

const isDisabled = (error: unknown): boolean => error instanceof ServiceError && error.reason === 'key-disabled';

/**
 * Returns the policy in a key's tags.
 * @throws ServiceError `tenant-misconfigured`, reason `policy-unreadable`
 */
export function readablePolicyOf(tags: Readonly<Record<string, string>>, kek: KekRef): KeyPolicy | undefined {
  const policy = policyOf(tags);
  if (policy !== undefined && 'unreadable' in policy) throw policyUnreadable(kek, policy.unreadable);
  return policy;
}

const policyUnreadable = (kek: KekRef, tag: string): ServiceError =>
  new ServiceError('tenant-misconfigured', `The policy on the key ${kek.name} is not readable: tag ${tag}`, {
    reason: 'policy-unreadable',
    scope: 'key',
    fix: {
      owner: 'customer-admin',
      action: `Have the customer correct or remove the tag ${tag} of its key; until then nothing under it is served`,
    },
  });

import { constants, publicEncrypt, timingSafeEqual } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import type { Gcm } from '../format/aes-gcm.ts';
import { DATA_KEY_BYTES, dataKeyFrom, originMac, type WrappedDataKey } from '../format/data-key.ts';
import { headerTemplate } from '../format/jwe-header.ts';
import { kidOf } from '../format/kek-ref.ts';
import { encryptedKeyLength, oaepHashOf, type WrapAlgorithm } from '../format/wrap-algorithms.ts';
import type { DrawRandom } from '../lib/random.ts';
import type { DataKeyBounds } from '../tenants/bounds.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import { Access } from './access.ts';
import type { OriginKeys } from './data-keys.ts';
import { algorithmOf, assertMayProtect } from './kek-facts.ts';
import { type KekFacts, type VaultUse, wrongBytes } from './key-wrapper.ts';
import { MintedKey, type MintedSealingKey } from './minted-key.ts';
import type { OpenedKeys } from './opened-keys.ts';
import type { Proofs, ProofsDeps } from './proofs.ts';

/** Time before a key that follows the newest version is read again. */
const REREAD_AFTER_MS = 15 * 60_000;
/** Old data is moved only to a version that was read as the newest within this time. */
const FRESH_MS = 60_000;
/** Delay before a background task is retried. After a refusal, a new version may be the fix. */
const RETRY_AFTER_MS = 10_000;
const MAX_OLDER = 256;

export interface SealingSlotDeps extends ProofsDeps {
  readonly gcm: Gcm;
  readonly originKeys: OriginKeys;
  /** Source of data keys. */
  readonly draw: DrawRandom;
  readonly bounds: DataKeyBounds;
}

/** The current data key of one registered key, and the key version that it is under. */
export class SealingSlot {
  readonly #deps: SealingSlotDeps;
  readonly #tenant: Tenant;
  readonly #key: RegisteredKey;
  readonly #proofs: Proofs;
  readonly #opened: OpenedKeys;
  /** For wrapping only: a key that may no longer protect new data may still open old data. */
  readonly #wrapping: Access;
  #current: MintedKey | undefined;
  #minting: Promise<MintedKey> | undefined;
  #facts: KekFacts | undefined;
  /** Key id of these facts, made once: each compact message compares it. */
  #newestKid: string | undefined;
  #readAt = 0;
  #rereadAt = 0;
  #mintAheadAt = 0;
  #reading: Promise<KekFacts> | undefined;
  /** Versions that were not the newest at a later reading. */
  readonly #older = new Set<string>();

  constructor(deps: SealingSlotDeps, tenant: Tenant, key: RegisteredKey, proofs: Proofs, opened: OpenedKeys) {
    this.#deps = deps;
    this.#tenant = tenant;
    this.#key = key;
    this.#proofs = proofs;
    this.#opened = opened;
    this.#wrapping = new Access(deps.revocationBoundMs, deps.jitter);
  }

  /**
   * Returns the current key with its use for so many messages counted, if no call is needed;
   * undefined otherwise. `bytes` are those of all.
   */
  take(bytes: number, messages = 1): MintedKey | undefined {
    const now = this.#deps.clock.monotonicMs();
    const current = this.usable(now);
    if (!current?.take(now, bytes, messages)) return undefined;
    this.#lookAhead(current, now);
    return current;
  }

  /** Returns the current key if no call is needed, without counting a use. */
  usable(now: number = this.#deps.clock.monotonicMs()): MintedKey | undefined {
    const current = this.#current;
    if (!current || this.#isExpired()) return undefined;
    return this.#proofs.accessTo(current.key.dataKey.kid).isFresh(now) ? current : undefined;
  }

  /** Returns the same after the necessary vault calls. */
  async waitFor(bytes: number): Promise<MintedKey> {
    const { clock } = this.#deps;
    const facts = await this.usableFacts();
    const current = this.#current;
    const now = clock.monotonicMs();
    if (current?.key.dataKey.kid === kidOf(facts.kek) && current.take(now, bytes)) {
      if (!this.#proofs.accessTo(kidOf(facts.kek)).isFresh(now)) await this.#proofs.freshen(current.key.dataKey);
      return current;
    }
    const minted = await this.#mintOnce();
    // If more callers wait than one data key may serve, the rest try again.
    return minted.take(clock.monotonicMs(), bytes) ? minted : this.waitFor(bytes);
  }

  /**
   * Returns a data key for one message only, wrapped with the public key: no vault call while a
   * proof of access is valid.
   */
  async mintForOneMessage(proven: MintedKey): Promise<MintedSealingKey> {
    const { facts } = proven;
    const algorithm = algorithmOf(facts, this.#key.algorithm);
    const bytes = this.#deps.draw(DATA_KEY_BYTES);
    try {
      const encrypted = facts.publicKey
        ? wrapLocally(facts.publicKey, algorithm, bytes)
        : await this.#wrap(facts, algorithm, bytes, 'caller'); // one for each message
      this.#deps.counts.minted += 1;
      return this.#sealingKey(bytes, this.#wrapped(facts, algorithm, encrypted));
    } finally {
      bytes.fill(0);
    }
  }

  /**
   * Returns the newest version of the last read, and reads it again in the background when due;
   * undefined if a caller must wait for it.
   */
  newestKid(): string | undefined {
    const { clock, onBackgroundFailure } = this.#deps;
    if (!this.#facts || this.#isExpired()) return undefined;
    if (clock.monotonicMs() >= this.#rereadAt) this.#readOnce().catch(onBackgroundFailure);
    return this.#newestKid;
  }

  /**
   * Returns the newest version, read within a minute. If this process does not know `kid`, that
   * version may be newer than the last reading, so the key is read once more. So nothing is moved
   * from a newer version to an older one.
   * @throws ServiceError as usableFacts
   */
  async newestAfter(kid: string): Promise<KekFacts> {
    const { clock } = this.#deps;
    const isRecent = this.#facts !== undefined && clock.monotonicMs() - this.#readAt < FRESH_MS;
    const isKnown = this.#isNewest(kid) || this.#older.has(kid);
    if (isRecent && isKnown) return this.usableFacts();
    await this.#reading?.catch(() => undefined); // it may have begun before `kid` was seen
    const facts = await this.#readOnce();
    if (this.#older.size >= MAX_OLDER) this.#older.clear();
    if (kidOf(facts.kek) !== kid) this.#older.add(kid);
    return facts;
  }

  get isFilled(): boolean {
    return this.#current !== undefined;
  }

  /**
   * Drops the current data key, or only one under this key version. The version itself is read
   * again after a while.
   */
  drop(kid?: string): void {
    if (kid !== undefined && this.#current?.key.dataKey.kid !== kid && !this.#isNewest(kid)) return;
    this.#current = undefined;
    this.#rereadAt = Math.min(this.#rereadAt, this.#deps.clock.monotonicMs() + RETRY_AFTER_MS);
  }

  /**
   * Reads the version again if the last read is a minute ago, and waits for the data key of a new
   * one. Returns undefined if there is nothing to wait for.
   */
  freshen(): Promise<void> | undefined {
    const current = this.#current;
    const isFresh = !current || this.#deps.clock.monotonicMs() - this.#readAt < FRESH_MS;
    return isFresh ? undefined : this.#followVersion(current);
  }

  /** Makes the next use read the key's version again in the background. */
  reread(): void {
    this.#rereadAt = 0;
  }

  #isNewest(kid: string): boolean {
    return this.#newestKid === kid;
  }

  #isExpired(): boolean {
    return this.#facts?.expires !== undefined && this.#deps.clock.wallMs() >= this.#facts.expires;
  }

  #lookAhead(current: MintedKey, now: number): void {
    const { onBackgroundFailure } = this.#deps;
    this.#proofs.renewAhead(current.key.dataKey, now);
    if (now >= this.#rereadAt) this.#followVersion(current).catch(onBackgroundFailure);
    else if (current.isNearlySpent(now) && now >= this.#mintAheadAt) {
      this.#mintAheadAt = now + RETRY_AFTER_MS;
      this.#mintOnce().catch(onBackgroundFailure);
    }
  }

  /** Reads the key again; a new version gets its data key before the first request needs it. */
  async #followVersion(current: MintedKey): Promise<void> {
    const facts = await this.#readOnce();
    if (kidOf(facts.kek) === current.key.dataKey.kid) return;
    try {
      await this.#mintOnce();
    } catch (error) {
      this.#rereadAt = Math.min(this.#rereadAt, this.#deps.clock.monotonicMs() + RETRY_AFTER_MS);
      throw error;
    }
  }

  /**
   * Returns the facts of a key that may protect new data now.
   * @throws ServiceError as KeyWrapper.readKey and assertMayProtect
   */
  async usableFacts(): Promise<KekFacts> {
    const { clock } = this.#deps;
    const known = this.#facts;
    const isKnown = known !== undefined && clock.monotonicMs() < this.#rereadAt && !this.#isExpired();
    return isKnown ? known : this.#readOnce();
  }

  #readOnce(): Promise<KekFacts> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<KekFacts> {
    const { clock } = this.#deps;
    const previous = this.#rereadAt;
    this.#readAt = clock.monotonicMs();
    this.#rereadAt = this.#readAt + REREAD_AFTER_MS;
    try {
      this.#facts = await this.#proofs.ask(
        this.#wrapping,
        () => this.#readUsable(),
        () => this.#forget(),
      );
      this.#newestKid = kidOf(this.#facts.kek);
      return this.#facts;
    } catch (error) {
      this.#rereadAt = Math.max(previous, clock.monotonicMs() + RETRY_AFTER_MS);
      throw error;
    }
  }

  async #readUsable(): Promise<KekFacts> {
    const readAt = this.#deps.clock.monotonicMs();
    const facts = await this.#deps.wrapper.readKey(this.#tenant, this.#key);
    this.#proofs.policies.learn(facts, readAt);
    assertMayProtect(facts, this.#tenant.id, this.#deps.clock.wallMs());
    return facts;
  }

  /** Drops the refused newest version: there is never a fallback to an older one. */
  #forget(): void {
    this.#current = undefined;
    this.#facts = undefined;
    this.#newestKid = undefined;
  }

  #mintOnce(): Promise<MintedKey> {
    this.#minting ??= this.#mint().finally(() => {
      this.#minting = undefined;
    });
    return this.#minting;
  }

  async #mint(): Promise<MintedKey> {
    const { clock, bounds } = this.#deps;
    const facts = await this.usableFacts();
    const algorithm = algorithmOf(facts, this.#key.algorithm);
    const access = this.#proofs.accessTo(kidOf(facts.kek));
    access.check(clock.monotonicMs());
    const bytes = this.#deps.draw(DATA_KEY_BYTES);
    try {
      const wrapped = this.#wrapped(facts, algorithm, await this.#wrap(facts, algorithm, bytes, 'upkeep'));
      // Never seal data that cannot be opened: a recent proof of access says nothing about the
      // vault's latest wrap.
      await this.#assertUnwraps(wrapped, bytes);
      const minted = new MintedKey(this.#sealingKey(bytes, wrapped), facts, bounds, clock.monotonicMs());
      this.#opened.put(minted.key.dataKey);
      this.#wrapping.check(clock.monotonicMs()); // the version may have been refused meanwhile
      this.#deps.counts.minted += 1;
      this.#mintAheadAt = 0;
      this.#current = minted;
      return minted;
    } finally {
      bytes.fill(0);
    }
  }

  async #wrap(facts: KekFacts, algorithm: WrapAlgorithm, bytes: Buffer, use: VaultUse): Promise<Buffer> {
    const wrap = async () => {
      try {
        return await this.#deps.wrapper.wrapKey(this.#tenant, facts.kek, algorithm, bytes, use);
      } catch (error) {
        const isUnfit = error instanceof ServiceError && error.code === 'malformed-request';
        throw isUnfit ? unfitKey(facts, algorithm, error) : error;
      }
    };
    const wrapped = (await this.#proofs.ask(this.#wrapping, wrap, () => this.drop(kidOf(facts.kek)))).bytes;
    if (wrapped.length !== encryptedKeyLength(facts.bits)) throw wrongBytes();
    return wrapped;
  }

  async #assertUnwraps(wrapped: WrappedDataKey, bytes: Buffer): Promise<void> {
    const isSame = (unwrapped: Buffer) => unwrapped.length === bytes.length && timingSafeEqual(unwrapped, bytes);
    (await this.#proofs.unwrap(wrapped, 'upkeep', isSame)).bytes.fill(0);
  }

  #wrapped(facts: KekFacts, algorithm: WrapAlgorithm, encrypted: Buffer): WrappedDataKey {
    const encryptedKey = encrypted.toString('base64url');
    return { kek: facts.kek, algorithm, kid: kidOf(facts.kek), tenantId: this.#tenant.id, encryptedKey };
  }

  #sealingKey(bytes: Buffer, wrapped: WrappedDataKey): MintedSealingKey {
    const [newest] = this.#deps.originKeys.current();
    if (!newest) throw new Error('no origin key');
    const dataKey = dataKeyFrom(this.#deps.gcm, bytes, wrapped);
    const mac = originMac(newest, wrapped);
    return { dataKey, mac, header: headerTemplate(dataKey, mac, 'vaultspan+jwe') };
  }
}

/**
 * Returns the failure. The value was ours, so any problem that the vault reports is the key's, such
 * as an oct-HSM key of another size.
 */
const unfitKey = (facts: KekFacts, algorithm: WrapAlgorithm, cause: ServiceError): ServiceError =>
  new ServiceError('tenant-misconfigured', `Key ${kidOf(facts.kek)} cannot wrap a 256-bit data key with ${algorithm}`, {
    reason: 'key-type',
    scope: 'key',
    fix: { owner: 'vendor', action: "Correct the key or its algorithm in the tenant's record" },
    cause,
  });

/** Returns the bytes encrypted with the public half of the KEK, RFC 8017 §7.1.1. */
function wrapLocally(jwk: NonNullable<KekFacts['publicKey']>, algorithm: WrapAlgorithm, bytes: Buffer): Buffer {
  const oaepHash = oaepHashOf(algorithm);
  return publicEncrypt({ key: { ...jwk }, format: 'jwk', oaepHash, padding: constants.RSA_PKCS1_OAEP_PADDING }, bytes);
}

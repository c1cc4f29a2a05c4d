import { ServiceError } from '../errors.ts';
import { DATA_KEY_BYTES, type DataKey, dataKeyFrom, isOriginMac, type WrappedDataKey } from '../format/data-key.ts';
import { type Jwe, undecryptable } from '../format/jwe.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { boundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { singleFlight } from '../lib/single-flight.ts';
import type { Soon } from '../lib/when-ready.ts';
import type { DataKeyBounds, RegisteredKey, Tenant } from '../tenants/record.ts';
import { Access } from './access.ts';
import type { DataKeyCounts } from './data-key-counts.ts';
import type { OpeningUse, OriginKeys } from './data-keys.ts';
import { type KeyWrapper, type VaultResult, type VaultUse, wrongBytes } from './key-wrapper.ts';
import { OpenedKeys } from './opened-keys.ts';
import { SealingSlot } from './sealing-slot.ts';

const MAX_KEY_VERSIONS = 256;

export interface TenantDataKeysDeps {
  readonly wrapper: KeyWrapper;
  readonly originKeys: OriginKeys;
  readonly clock: Clock;
  readonly bounds: DataKeyBounds;
  readonly revocationBoundMs: number;
  /** Whether a key must carry the tag that names its tenant. */
  readonly requireTenantTag: boolean;
  /** Told of what failed with nobody waiting for it: a renewal or minting ahead of time. */
  readonly onBackgroundFailure: (error: unknown) => void;
  readonly counts: DataKeyCounts;
}

/** All keys of one tenant in one revision of its record: what is proven, what may seal, what was opened. */
export class TenantDataKeys {
  readonly tenant: Tenant;
  readonly deps: TenantDataKeysDeps;
  readonly #signIn: Access;
  readonly #access = boundedMap<Access>(MAX_KEY_VERSIONS);
  readonly #proofs = new Map<string, Promise<void>>();
  readonly #opened: OpenedKeys;
  readonly #slots = new Map<string, SealingSlot>();

  constructor(tenant: Tenant, deps: TenantDataKeysDeps) {
    this.tenant = tenant;
    this.deps = deps;
    this.#signIn = new Access(deps.revocationBoundMs);
    this.#opened = new OpenedKeys(deps.clock);
  }

  slotFor(key: RegisteredKey): SealingSlot {
    return this.#slots.getOrInsertComputed(`${key.vaultUrl}/${key.name}`, () => new SealingSlot(this, key));
  }

  forOpening(jwe: Jwe, kek: KekRef): Soon<OpeningUse> {
    const { alg, kid, tid, mac } = jwe.header;
    const wrapped: WrappedDataKey = { kek, algorithm: alg, kid, tenantId: tid, encryptedKey: jwe.encryptedKey };
    const opened = this.#opened.get(wrapped);
    const { clock, counts, originKeys } = this.deps;
    const now = clock.monotonicMs();
    const access = this.accessTo(kid);
    if (!opened?.isAccepted(mac, originKeys.current()) || !access.isFresh(now)) return this.#waitToOpen(wrapped, mac);
    counts.openingHits += 1;
    this.renewAhead(opened.dataKey, now);
    return { dataKey: opened.dataKey, vaultRequestId: access.vaultRequestId };
  }

  async #waitToOpen(wrapped: WrappedDataKey, mac: string): Promise<OpeningUse> {
    await this.#assertOurs(wrapped, mac);
    const opened = this.#opened.get(wrapped);
    opened?.accept(mac, this.deps.originKeys.current());
    if (opened) {
      this.deps.counts.openingHits += 1;
      const now = this.deps.clock.monotonicMs();
      if (this.accessTo(wrapped.kid).isFresh(now)) this.renewAhead(opened.dataKey, now);
      else await this.prove(opened.dataKey);
    }
    const dataKey = opened?.dataKey ?? (await this.#opened.unwrapOnce(wrapped, () => this.#open(wrapped)));
    return { dataKey, vaultRequestId: this.accessTo(wrapped.kid).vaultRequestId };
  }

  accessTo(kid: string): Access {
    const known = this.#access.get(kid);
    if (known) return known;
    const access = new Access(this.deps.revocationBoundMs);
    this.#access.set(kid, access);
    return access;
  }

  /** Renews the proof of access to a data key's KEK with nobody waiting, from half of the bound on. */
  renewAhead(dataKey: DataKey, now: number): void {
    if (this.accessTo(dataKey.kid).takeRenewal(now)) this.prove(dataKey).catch(this.deps.onBackgroundFailure);
  }

  /** Has the vault unwrap this data key again; whoever asks for the same KEK meanwhile shares the answer. */
  prove(dataKey: DataKey): Promise<void> {
    return singleFlight(this.#proofs, dataKey.kid, async () => {
      const { bytes } = await this.unwrap(dataKey, 'upkeep', (unwrapped) => this.#isSame(unwrapped, dataKey));
      bytes.fill(0);
      this.deps.counts.proofs += 1;
    });
  }

  #isSame(unwrapped: Buffer, dataKey: DataKey): boolean {
    if (unwrapped.length !== DATA_KEY_BYTES) return false;
    if (dataKeyFrom(Buffer.from(unwrapped), dataKey).commitment === dataKey.commitment) return true;
    this.#evict(dataKey.kid); // it may be the one held that is wrong
    return false;
  }

  /** An answer that `isOurs` denies proves nothing. @throws ServiceError as KeyWrapper, and the refusals remembered */
  async unwrap(wrapped: WrappedDataKey, use: VaultUse, isOurs: (unwrapped: Buffer) => boolean): Promise<VaultResult> {
    const access = this.accessTo(wrapped.kid);
    const { clock, wrapper } = this.deps;
    const startedAt = clock.monotonicMs();
    this.#signIn.admit(startedAt);
    access.admit(startedAt);
    try {
      const bytes = Buffer.from(wrapped.encryptedKey, 'base64url');
      const unwrapped = await wrapper.unwrapKey(this.tenant, wrapped.kek, wrapped.algorithm, bytes, use);
      if (!isOurs(unwrapped.bytes)) {
        unwrapped.bytes.fill(0);
        throw wrongBytes();
      }
      access.proven(startedAt, unwrapped.vaultRequestId);
      this.#signIn.answered(startedAt);
      return unwrapped;
    } catch (error) {
      this.#noteRefusal(error, startedAt, access, () => this.#evict(wrapped.kid));
      throw error;
    }
  }

  /** Runs a vault call that is no proof of access, such as a wrap; what it says of access holds for `access` alone. */
  async ask<T>(access: Access, call: () => Promise<T>, evict: () => void): Promise<T> {
    const startedAt = this.deps.clock.monotonicMs();
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

  /** A definite refusal evicts at once, by key or for the whole tenant; time-outs, resets, 429 and 5xx say nothing of access. */
  #noteRefusal(error: unknown, startedAt: number, access: Access, evict: () => void): void {
    if (!(error instanceof ServiceError)) return;
    if (error.code === 'undecryptable') {
      access.answered(startedAt); // whoever judges a ciphertext has let us in
      this.#signIn.answered(startedAt);
    }
    if (error.scope === undefined) return;
    this.deps.counts.refused(error);
    const now = this.deps.clock.monotonicMs();
    if (error.scope === 'key') {
      this.#signIn.answered(startedAt); // only a sign-in reaches the vault
      access.refused(error, now);
      evict();
    } else {
      this.#signIn.refused(error, now);
      this.dropAll();
    }
  }

  reread(): void {
    for (const slot of this.#slots.values()) slot.reread();
  }

  remember(dataKey: DataKey): void {
    this.#opened.put(dataKey);
  }

  /** Data keys in memory: those that may seal, and those opened. */
  held(): { readonly sealing: number; readonly opening: number } {
    let sealing = 0;
    for (const slot of this.#slots.values()) if (slot.isFilled) sealing += 1;
    return { sealing, opening: this.#opened.size };
  }

  dropAll(): void {
    this.#opened.clear();
    this.#access.clear();
    for (const slot of this.#slots.values()) slot.drop();
  }

  async #open(wrapped: WrappedDataKey): Promise<DataKey> {
    try {
      // Where the origin is optional anybody may have wrapped anything; else it is a data key of ours.
      const isAnybodys = this.tenant.origin === 'optional';
      const isOurs = ({ length }: Buffer) => length === DATA_KEY_BYTES || isAnybodys;
      const { bytes } = await this.unwrap(wrapped, 'ciphertext', isOurs);
      if (bytes.length !== DATA_KEY_BYTES) {
        bytes.fill(0);
        throw undecryptable();
      }
      const dataKey = dataKeyFrom(bytes, wrapped);
      this.deps.counts.unwrapped += 1;
      this.remember(dataKey);
      return dataKey;
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'undecryptable') this.#opened.refuse(wrapped, error);
      throw error;
    }
  }

  /** A public key is no secret: without this anybody's garbage would cost the customer's quota. */
  async #assertOurs(wrapped: WrappedDataKey, mac: string): Promise<void> {
    if (this.tenant.origin === 'optional') return;
    const { originKeys } = this.deps;
    if (isOriginMac(originKeys.current(), wrapped, mac)) return;
    if (!isOriginMac(await originKeys.reread(), wrapped, mac)) throw undecryptable();
  }

  #evict(kid: string): void {
    this.#opened.evict(kid);
    for (const slot of this.#slots.values()) slot.drop(kid);
  }
}

/** Bounds of a tenant: its own where its record has them. */
export const boundsOf = (tenant: Tenant, defaults: DataKeyBounds): DataKeyBounds => ({
  ...defaults,
  ...tenant.dataKeys,
});

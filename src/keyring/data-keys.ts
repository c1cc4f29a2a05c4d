import type { KeyObject } from 'node:crypto';
import type { VaultCallIds } from '../errors.ts';
import type { CompactMessage, LeafUse } from '../format/compact.ts';
import type { DataKey } from '../format/data-key.ts';
import type { Jwe } from '../format/jwe.ts';
import type { KekRef } from '../format/kek-ref.ts';
import type { Soon } from '../lib/when-ready.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import type { KekFacts } from './key-wrapper.ts';
import type { MintedSealingKey } from './minted-key.ts';

/** One use of a data key to seal: its IV is fresh, its access proven. */
export interface SealingUse {
  readonly key: MintedSealingKey;
  readonly iv: Buffer;
  /** The vault call that is the proof of access. */
  readonly vaultCall: VaultCallIds | undefined;
  /** When that proof ends: monotonic milliseconds. */
  readonly accessEndsAt: number;
}

/** One use of a data key to open. */
export interface OpeningUse {
  readonly dataKey: DataKey;
  readonly vaultCall: VaultCallIds | undefined;
}

/** One use of a leaf to seal a message: its key is for this context alone. */
export interface LeafSealing {
  /** 32 bytes, to be overwritten after use. */
  readonly contentKey: Buffer;
  readonly header: string;
  readonly keyId: string;
  readonly vaultCall: VaultCallIds | undefined;
  /** When the proof of access ends: monotonic milliseconds. */
  readonly accessEndsAt: number;
}

/** The same with a fresh IV. */
export interface CompactSealing extends LeafSealing {
  readonly iv: Buffer;
}

/** One use of a compact message's key to open it. */
export interface CompactOpening {
  /** 32 bytes, to be overwritten after use. */
  readonly contentKey: Buffer;
  /** Version of the registered key that the branch is under. */
  readonly keyId: string;
  readonly vaultCall: VaultCallIds | undefined;
}

/**
 * Where operations get data keys. Warm, either answers at once; cold, callers of one key share one vault call.
 * Failures are those of KeyWrapper.
 */
export interface DataKeys {
  /** A data key of ours that may seal `bytes` of plaintext; the use is counted before it is handed out. */
  forSealing(tenant: Tenant, key: RegisteredKey, bytes: number): Soon<SealingUse>;
  /** The data key of a parsed message; `kek` is the registered key in the version that the message names. */
  forOpening(tenant: Tenant, jwe: Jwe, kek: KekRef): Soon<OpeningUse>;
  /**
   * The key of a new compact message under a registered key, counted before it is handed out; undefined where no branch may seal
   * and the message is sealed self-contained. `context` is canonical.
   */
  forCompactSealing(
    tenant: Tenant,
    key: RegisteredKey,
    use: LeafUse,
    bytes: number,
    context: Buffer | undefined,
  ): Soon<CompactSealing | undefined>;
  /** The key of a parsed compact message. `context` is canonical. */
  forCompactOpening(
    tenant: Tenant,
    message: CompactMessage,
    use: LeafUse,
    context: Buffer | undefined,
  ): Soon<CompactOpening>;
  /** The version of a registered key that protects new data now, read again every 15 min. */
  currentVersion(tenant: Tenant, key: RegisteredKey): Promise<KekFacts>;
  /** Makes sure that a version read more than a minute ago is still the newest, before old data is moved to it. */
  freshenVersion(tenant: Tenant, key: RegisteredKey): Promise<void>;
  /** The vault has refused that version: it is read again after a while, for the refusal may have been mended by a new one. */
  versionRefused(tenant: Tenant, key: RegisteredKey): void;
}

/** The keys of `mac`, newest first: the first makes it, any of them is accepted. */
export interface OriginKeys {
  current(): readonly KeyObject[];
  /**
   * Returns the keys after a reread of the home vault, unless it was read just now. For a `mac` of a version made since.
   *
   * @throws ServiceError while the vault can't be read or has no usable version: then a good `mac` may look like a wrong one
   */
  reread(): Promise<readonly KeyObject[]>;
}

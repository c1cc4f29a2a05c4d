import type { KeyObject } from 'node:crypto';
import type { GcmKey } from '../format/aes-gcm.ts';
import type { CompactHeader, CompactMessage, LeafUse } from '../format/compact.ts';
import type { DataKey } from '../format/data-key.ts';
import type { Jwe } from '../format/jwe.ts';
import type { KekRef } from '../format/kek-ref.ts';
import type { Soon } from '../lib/when-ready.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import type { KekFacts } from './key-wrapper.ts';
import type { MintedSealingKey } from './minted-key.ts';
import type { ProofOfAccess } from './policy/assert-allowed.ts';

/** One use of a data key to seal: its IV is new, its access proven. */
export interface SealingUse {
  readonly key: MintedSealingKey;
  readonly iv: Buffer;
  /** The vault call that is the proof of access. */
  readonly vaultCall: ProofOfAccess | undefined;
  /** The end of that proof: monotonic milliseconds. */
  readonly accessEndsAt: number;
}

/** One use of a data key to open. */
export interface OpeningUse {
  readonly dataKey: DataKey;
  readonly vaultCall: ProofOfAccess | undefined;
}

/** One use of a leaf to seal a message: its key is for this context only. */
export interface LeafSealing {
  /** The user releases it. */
  readonly contentKey: GcmKey;
  readonly header: CompactHeader;
  readonly keyId: string;
  readonly vaultCall: ProofOfAccess | undefined;
  /** The end of the proof of access: monotonic milliseconds. */
  readonly accessEndsAt: number;
}

/** The same with a new IV. */
export interface CompactSealing extends LeafSealing {
  readonly iv: Buffer;
}

/** New messages that are sealed together. */
export interface ListUse {
  readonly messages: number;
  /** Bytes of all plaintexts. */
  readonly bytes: number;
  /** Canonical; all have the same. */
  readonly context: Buffer | undefined;
  /** Throws if the key's policy refuses this use. It is called before the use is counted. */
  readonly assertAllowed: (proof: ProofOfAccess | undefined) => void;
}

/** One key for many new messages: their uses are counted, their IVs are new. */
export interface ListSealing {
  /** The user releases it. */
  readonly contentKey: GcmKey;
  /** The text of each message before its IV. */
  readonly start: string;
  readonly aad: Buffer;
  readonly ivs: Buffer;
  readonly keyId: string;
  readonly vaultCall: ProofOfAccess | undefined;
}

/** One use of a compact message's key to open it. */
export interface CompactOpening {
  /** The user releases it. */
  readonly contentKey: GcmKey;
  /** Version of the registered key that wraps the branch. */
  readonly keyId: string;
  readonly vaultCall: ProofOfAccess | undefined;
}

/**
 * The source of data keys for operations. With a warm cache it answers at once; with a cold one,
 * concurrent requests for one key share one vault call. Failures are those of KeyWrapper.
 */
export interface DataKeys {
  /** Returns a data key of ours that may seal `bytes` of plaintext; the use is counted first. */
  forSealing(tenant: Tenant, key: RegisteredKey, bytes: number): Soon<SealingUse>;
  /**
   * Returns the key of new messages, in the form that the key's record defines. Returns undefined
   * unless one key may seal them all without any call: then each message asks for itself.
   * @throws ServiceError if the key's policy refuses the use; then nothing is counted
   */
  forListSealing(tenant: Tenant, key: RegisteredKey, use: ListUse): ListSealing | undefined;
  /**
   * Returns the data key of a parsed message, or of so many with its header. `kekOf` returns the
   * registered key in the version that the message names. It is not called for a header that a
   * message of the same turn had.
   */
  forOpening(
    tenant: Tenant,
    jwe: Jwe,
    kekOf: (tenant: Tenant, jwe: Jwe) => KekRef,
    messages?: number,
  ): Soon<OpeningUse>;
  /**
   * Returns the key of a new compact message under a registered key; the use is counted first.
   * Returns undefined if no branch may seal and the message is sealed self-contained. `context` is
   * canonical.
   */
  forCompactSealing(
    tenant: Tenant,
    key: RegisteredKey,
    use: LeafUse,
    bytes: number,
    context: Buffer | undefined,
  ): Soon<CompactSealing | undefined>;
  /** Returns the key of a parsed compact message. `context` is canonical. */
  forCompactOpening(
    tenant: Tenant,
    message: CompactMessage,
    use: LeafUse,
    context: Buffer | undefined,
  ): Soon<CompactOpening>;
  /**
   * Returns the policy on a registered key, as a proof without a vault call. For operations that
   * call the vault themselves.
   */
  policyOf(tenant: Tenant, kek: KekRef): Promise<ProofOfAccess>;
  /**
   * Returns the version of a registered key that protects new data now; it is read again every 15
   * min.
   */
  currentVersion(tenant: Tenant, key: RegisteredKey): Promise<KekFacts>;
  /**
   * Makes sure that a version read more than a minute ago is still the newest, before old data is
   * moved to it.
   */
  freshenVersion(tenant: Tenant, key: RegisteredKey): Soon<void>;
  /**
   * Notes that the vault refused that version. It is read again after a while, because a new
   * version may have fixed the refusal.
   */
  versionRefused(tenant: Tenant, key: RegisteredKey): void;
}

/** The keys of `mac`, newest first: the first makes it, each of them is accepted. */
export interface OriginKeys {
  current(): readonly KeyObject[];
  /**
   * Returns the keys after rereading the home vault, unless it was read just now. For a `mac` of a
   * version made since then.
   * @throws ServiceError while the vault cannot be read or has no usable version: then a good `mac`
   * may look wrong
   */
  reread(): Promise<readonly KeyObject[]>;
}

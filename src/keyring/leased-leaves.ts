import { ServiceError } from '../errors.ts';
import type { GcmKey } from '../format/aes-gcm.ts';
import type { CompactMessage } from '../format/compact.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import type { ProofOfAccess } from './policy/assert-allowed.ts';

/** The key of a leaf, for a client that encrypts and decrypts messages by itself. */
export interface LeasedLeaf {
  /** 32 bytes; the user overwrites them after use. */
  readonly leafKey: Buffer;
  /** The `kid` of the leaf's messages. */
  readonly kid: string;
  /** Version of the registered key that wraps the branch. */
  readonly keyId: string;
  readonly vaultCall: ProofOfAccess | undefined;
  /** Monotonic milliseconds: the end of the proof of access, or an earlier end. */
  readonly endsAt: number;
}

/** A new leaf, which seals as many messages as a data key may. */
export interface SealingLeaf extends LeasedLeaf {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** The leaf of an existing message. */
export interface OpeningLeaf extends LeasedLeaf {
  /** The key of that message; the user releases it. */
  readonly contentKey: GcmKey;
}

/**
 * The source of leaf keys for leases. The end of a leaf is at most the end of the proof of access,
 * and a proof with less than half of its bound left is renewed first. Failures are those of
 * DataKeys, `key-use` for keys that cannot be leased, and `registry-unavailable` with the reason
 * `branch-not-ready`: a lease has no other form.
 */
export interface LeasedLeaves {
  leaseForSealing(tenant: Tenant, key: RegisteredKey): Promise<SealingLeaf>;
  /**
   * Returns the leaf of a parsed message. `context` is canonical.
   * @throws ServiceError `unknown-key`, reason `not-leased`, for a leaf of the service
   */
  leaseForOpening(tenant: Tenant, message: CompactMessage, context: Buffer | undefined): Promise<OpeningLeaf>;
}

/** Returns the refusal of a message whose leaf was never leased. */
export const notLeased = (): ServiceError =>
  new ServiceError('unknown-key', 'The message was not encrypted under a lease; its key stays in the service', {
    reason: 'not-leased',
    fix: { owner: 'vendor', action: 'Decrypt the message with POST /tenants/{tenantId}/decrypt' },
    errors: [{ pointer: '/ciphertext', detail: 'is not a message of a lease' }],
  });

import type { Gcm } from '../../format/aes-gcm.ts';
import {
  type CompactHeader,
  compactHeader,
  deriveLeafKey,
  type LeafId,
  LeafKey,
  type LeafUse,
  leafIdOf,
} from '../../format/compact.ts';
import type { DataKeyBounds } from '../../tenants/bounds.ts';
import type { BranchKey } from './branch-key.ts';

const SALT_BYTES = 8;
/** The bit is clear in a leaf of the service and set in the leaf of a lease. */
const LEASE_BIT = 0x80;
const WITHOUT_LEASE_BIT = 0x7f;

/**
 * Returns the id of a new leaf for a lease. `salt` is 8 random bytes, used as they are except for
 * the bit that marks leases.
 */
export function leaseLeafId({ row }: BranchKey, salt: Buffer): LeafId {
  const own = Buffer.from(salt);
  own[0] = (own[0] ?? 0) | LEASE_BIT;
  return leafIdOf(Buffer.from(row.id, 'base64url'), own);
}

/**
 * A leaf of this process's own, under which it seals messages or the headers of streams. It ends
 * with its branch.
 */
export class Leaf {
  readonly branch: BranchKey;
  readonly header: CompactHeader;
  readonly key: LeafKey;
  readonly #bounds: DataKeyBounds;
  readonly #madeAt: number;
  #messages = 0;
  #bytes = 0;

  /** `salt` is 8 random bytes, used as they are except for the bit that marks leases. */
  constructor(gcm: Gcm, branch: BranchKey, use: LeafUse, salt: Buffer, bounds: DataKeyBounds, madeAt: number) {
    const own = Buffer.from(salt);
    own[0] = (own[0] ?? 0) & WITHOUT_LEASE_BIT;
    const { row } = branch;
    const { kid } = leafIdOf(Buffer.from(row.id, 'base64url'), own);
    this.branch = branch;
    this.header = compactHeader(kid);
    this.key = new LeafKey(gcm, deriveLeafKey(branch.key, use, row.tenantId, kid));
    this.#bounds = bounds;
    this.#madeAt = madeAt;
  }

  static readonly saltBytes = SALT_BYTES;

  /**
   * Counts messages, one by default, over all contexts before they are sealed. Returns false, and
   * counts nothing, if that would exceed a bound. `bytes` are those of all.
   */
  take(now: number, bytes: number, messages = 1): boolean {
    const { maxAgeMs, maxMessages, maxBytes } = this.#bounds;
    if (now - this.#madeAt >= maxAgeMs) return false;
    if (this.#messages + messages > maxMessages || this.#bytes + bytes > maxBytes) return false;
    this.#messages += messages;
    this.#bytes += bytes;
    return true;
  }
}

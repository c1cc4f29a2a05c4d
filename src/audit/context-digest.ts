import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** Returns the HMAC of a canonical encryption context under the tenant's own key. */
export type ContextDigest = (tenantId: string, context: Buffer) => string;

const KEY_BYTES = 32;
/** A derivation costs 10 µs. */
const MAX_TENANTS = 10_000;
/** Distinguishes these digests from those of older records, whose key all tenants shared. */
const PREFIX = 't.';

/**
 * Derives one key for each tenant (HKDF, RFC 5869), so that equal contexts of two tenants have
 * different digests.
 */
export function contextDigestOf(auditKey: KeyObject): ContextDigest {
  const keys = new LRUCache<string, KeyObject>({ max: MAX_TENANTS });
  return (tenantId, context) => {
    let key = keys.get(tenantId);
    if (!key) {
      const info = `vaultspan audit context 1\n${tenantId}`;
      key = createSecretKey(Buffer.from(hkdfSync('sha256', auditKey, '', info, KEY_BYTES)));
      keys.set(tenantId, key);
    }
    return PREFIX + createHmac('sha256', key).update(context).digest('base64url');
  };
}

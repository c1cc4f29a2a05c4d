import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AuditAccess } from './event.ts';
import { type Hmac, hmacSha256 } from './hmac.ts';

/** Returns the HMAC of a canonical encryption context under the tenant's own key. */
export type ContextDigest = (tenantId: string, context: Buffer) => string;

/** Returns the claims of an access as HMACs under the tenant's own key. */
export type AccessDigest = (tenantId: string, access: AuditAccess) => AuditAccess;

const KEY_BYTES = 32;
/** A derivation costs 10 µs. */
const MAX_TENANTS = 10_000;
/** Distinguishes these digests from text, and from those of older records, whose key all tenants shared. */
const PREFIX = 't.';

export function contextDigestOf(auditKey: KeyObject): ContextDigest {
  const hmacOf = tenantHmacs(auditKey, 'vaultspan audit context 1');
  return (tenantId, context) => PREFIX + hmacOf(tenantId)(context);
}

/** The name of the claim is part of the HMAC: a subject and a reason of one text are not alike. */
export function accessDigestOf(auditKey: KeyObject): AccessDigest {
  const hmacOf = tenantHmacs(auditKey, 'vaultspan audit access 1');
  return (tenantId, access) => {
    const hmac = hmacOf(tenantId);
    const digests: { -readonly [Claim in keyof AuditAccess]: string } = {};
    for (const claim of CLAIMS) {
      const text = access[claim];
      if (text !== undefined) digests[claim] = PREFIX + hmac(`${claim}\n${text}`);
    }
    return digests;
  };
}

const CLAIMS = ['subject', 'reason', 'label'] as const satisfies readonly (keyof AuditAccess)[];

/**
 * Derives one key for each tenant (HKDF, RFC 5869), so that equal values of two tenants have
 * different digests.
 */
function tenantHmacs(auditKey: KeyObject, purpose: string): (tenantId: string) => Hmac {
  const hmacs = new LRUCache<string, Hmac>({ max: MAX_TENANTS });
  return (tenantId) => {
    const known = hmacs.get(tenantId);
    if (known) return known;
    const bytes = hkdfSync('sha256', auditKey, '', `${purpose}\n${tenantId}`, KEY_BYTES);
    const hmac = hmacSha256(createSecretKey(Buffer.from(bytes)));
    hmacs.set(tenantId, hmac);
    return hmac;
  };
}

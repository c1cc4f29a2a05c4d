import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AuditAccess } from './event.ts';

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
  const keyOf = tenantKeys(auditKey, 'vaultspan audit context 1');
  return (tenantId, context) => digest(keyOf(tenantId), context);
}

/** The name of the claim is part of the HMAC: a subject and a reason of one text are not alike. */
export function accessDigestOf(auditKey: KeyObject): AccessDigest {
  const keyOf = tenantKeys(auditKey, 'vaultspan audit access 1');
  return (tenantId, access) => {
    const key = keyOf(tenantId);
    const claims = Object.entries(access).map(([name, text]) => [name, digest(key, `${name}\n${text}`)]);
    return Object.fromEntries(claims) as AuditAccess;
  };
}

/**
 * Derives one key for each tenant (HKDF, RFC 5869), so that equal values of two tenants have
 * different digests.
 */
function tenantKeys(auditKey: KeyObject, purpose: string): (tenantId: string) => KeyObject {
  const keys = new LRUCache<string, KeyObject>({ max: MAX_TENANTS });
  return (tenantId) => {
    const known = keys.get(tenantId);
    if (known) return known;
    const bytes = hkdfSync('sha256', auditKey, '', `${purpose}\n${tenantId}`, KEY_BYTES);
    const key = createSecretKey(Buffer.from(bytes));
    keys.set(tenantId, key);
    return key;
  };
}

const digest = (key: KeyObject, value: Buffer | string): string =>
  PREFIX + createHmac('sha256', key).update(value).digest('base64url');

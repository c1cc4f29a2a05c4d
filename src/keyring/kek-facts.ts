import { type Fix, ServiceError } from '../errors.ts';
import {
  activateKey,
  enableKey,
  permitKeyOperations,
  renewKey,
  TENANT_TAG,
  tagKey,
} from '../tenants/azure-commands.ts';
import { kidOf, type WrapAlgorithm } from '../tenants/record.ts';
import type { KekFacts } from './key-wrapper.ts';

const MIN_RSA_BITS = 2_048;
const RSA_EXPONENT = 65_537;

/**
 * Our own check of a key version before it protects anything new: the SDK's is bypassed, and Key Vault's comes too late for a public
 * key that wraps without it. `now` is in milliseconds of the epoch.
 *
 * @throws ServiceError `access-revoked` with the reason, `tenant-misconfigured` for a key that is too weak
 */
export function assertMayProtect(facts: KekFacts, now: number): void {
  const { kek } = facts;
  const kid = kidOf(kek);
  if (!facts.enabled) throw refusal('key-disabled', `Key ${kid} is disabled`, enableKey(kek));
  if (facts.notBefore !== undefined && now < facts.notBefore) {
    throw refusal('key-not-yet-valid', `Key ${kid} is not valid yet`, activateKey(kek));
  }
  if (facts.expires !== undefined && now >= facts.expires) {
    throw refusal('key-expired', `Key ${kid} has expired`, renewKey(kek));
  }
  if (!facts.operations.includes('wrapKey') || !facts.operations.includes('unwrapKey')) {
    throw refusal('key-operation-forbidden', `Key ${kid} lacks wrapKey or unwrapKey`, permitKeyOperations(kek));
  }
  if (facts.type === 'RSA' && ((facts.bits ?? 0) < MIN_RSA_BITS || facts.publicExponent !== RSA_EXPONENT)) {
    throw new ServiceError('tenant-misconfigured', `Key ${kid} is weaker than RSA 2048 with exponent 65537`, {
      reason: 'key-too-weak',
      scope: 'key',
      fix: { owner: 'resource-owner', action: 'Create an RSA key of at least 2048 bits and register it' },
    });
  }
}

export const isAlgorithmFor = (facts: KekFacts, algorithm: WrapAlgorithm): boolean =>
  algorithm.startsWith('RSA') === (facts.type === 'RSA');

/**
 * The customer says by a tag which tenant a key is for, so that nobody can have another's key registered as its own.
 *
 * @throws ServiceError `tenant-misconfigured`
 */
export function assertTagged({ kek, tags }: KekFacts, tenantId: string): void {
  if (tags?.[TENANT_TAG] === tenantId) return;
  throw new ServiceError('tenant-misconfigured', `Key ${kidOf(kek)} is not tagged ${TENANT_TAG}=${tenantId}`, {
    reason: 'tag-missing',
    scope: 'key',
    fix: tagKey(kek, tenantId),
  });
}

/** The algorithm that a key of this type wraps by, unless its record says another. */
export function algorithmOf(facts: KekFacts, registered: WrapAlgorithm | undefined): WrapAlgorithm {
  const algorithm = registered ?? (facts.type === 'RSA' ? 'RSA-OAEP-256' : 'A256KW');
  if (isAlgorithmFor(facts, algorithm)) return algorithm;
  throw new ServiceError(
    'tenant-misconfigured',
    `Key ${kidOf(facts.kek)} is of type ${facts.type}, not for ${algorithm}`,
    {
      reason: 'key-type',
      scope: 'key',
      fix: { owner: 'vendor', action: "Correct the key's algorithm in the tenant's record" },
    },
  );
}

/** RFC 8017 §7.1.1: twice the hash and 2 bytes go to OAEP. RFC 3394 §2: whole blocks of 8 bytes, two at least. */
const OAEP_OVERHEAD: Readonly<Partial<Record<WrapAlgorithm, number>>> = { 'RSA-OAEP-256': 66, 'RSA-OAEP': 42 };

/** Why a value of this size can't be wrapped, or undefined. */
export function valueProblem({ bits = 0 }: KekFacts, algorithm: WrapAlgorithm, bytes: number): string | undefined {
  const overhead = OAEP_OVERHEAD[algorithm];
  if (overhead === undefined) {
    return bytes >= 16 && bytes % 8 === 0 ? undefined : `is a multiple of 8 bytes, at least 16, for ${algorithm}`;
  }
  const most = bits / 8 - overhead;
  return bytes <= most ? undefined : `has at most ${most} bytes for ${algorithm} and a key of ${bits} bits`;
}

/** Whether bytes of this length can be what the algorithm gives: an RSA modulus that Key Vault has, or RFC 3394's blocks and 8 bytes. */
export function isWrappedLength(algorithm: WrapAlgorithm, bytes: number): boolean {
  return algorithm.startsWith('RSA') ? RSA_BYTES.has(bytes) : bytes >= 24 && bytes % 8 === 0;
}

const RSA_BYTES: ReadonlySet<number> = new Set([256, 384, 512]);

function refusal(reason: string, detail: string, fix: Fix): ServiceError {
  return new ServiceError('access-revoked', detail, { reason, scope: 'key', fix });
}

import { type Fix, ServiceError } from '../errors.ts';
import { kidOf } from '../format/kek-ref.ts';
import { defaultAlgorithm, kekTypeOf, type WrapAlgorithm } from '../format/wrap-algorithms.ts';
import {
  activateKey,
  enableKey,
  permitKeyOperations,
  renewKey,
  TENANT_TAG,
  tagKey,
} from '../tenants/azure-commands.ts';
import type { KekFacts } from './key-wrapper.ts';

const MIN_RSA_BITS = 2_048;
const RSA_EXPONENT = 65_537;

/**
 * Checks a key version before it protects new data. The SDK's own check is bypassed, and Key
 * Vault's comes too late for a public key that wraps locally. `now` is in milliseconds since 1970.
 * @throws ServiceError `access-revoked` with the reason, `tenant-misconfigured` for a key that is
 * too weak
 */
export function assertMayProtect(facts: KekFacts, tenantId: string, now: number): void {
  const { kek } = facts;
  const kid = kidOf(kek);
  if (!facts.enabled) throw refusal('key-disabled', `Key ${kid} is disabled`, enableKey(kek));
  if (facts.notBefore !== undefined && now < facts.notBefore) {
    throw refusal('key-not-yet-valid', `Key ${kid} is not valid yet`, activateKey(kek));
  }
  if (facts.expires !== undefined && now >= facts.expires) {
    throw refusal(
      'key-expired',
      `Key ${kid} has expired`,
      renewKey(tenantId, { ...kek, algorithm: defaultAlgorithm(facts.type) }, facts),
    );
  }
  if (!facts.operations.includes('wrapKey') || !facts.operations.includes('unwrapKey')) {
    throw refusal('key-operation-forbidden', `Key ${kid} lacks wrapKey or unwrapKey`, permitKeyOperations(kek, facts));
  }
  if (facts.type === 'RSA' && ((facts.bits ?? 0) < MIN_RSA_BITS || facts.publicExponent !== RSA_EXPONENT)) {
    throw new ServiceError('tenant-misconfigured', `Key ${kid} is weaker than RSA 2048 with exponent 65537`, {
      reason: 'key-too-weak',
      scope: 'key',
      fix: { owner: 'resource-owner', action: 'Create an RSA key of at least 2048 bits and register it' },
    });
  }
}

/**
 * Checks the key's tag. With it the customer names the tenant of a key, so that no tenant can
 * register another's key as its own.
 * @throws ServiceError `tenant-misconfigured`
 */
export function assertTagged(facts: KekFacts, tenantId: string): void {
  const { kek, tags } = facts;
  if (tags?.[TENANT_TAG] === tenantId) return;
  throw new ServiceError('tenant-misconfigured', `Key ${kidOf(kek)} is not tagged ${TENANT_TAG}=${tenantId}`, {
    reason: 'tag-missing',
    scope: 'key',
    fix: tagKey(kek, tenantId, facts),
  });
}

/** Returns the algorithm with which a key of this type wraps, unless its record names another. */
export function algorithmOf(facts: KekFacts, registered: WrapAlgorithm | undefined): WrapAlgorithm {
  const algorithm = registered ?? defaultAlgorithm(facts.type);
  if (kekTypeOf(algorithm) === facts.type) return algorithm;
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

function refusal(reason: string, detail: string, fix: Fix): ServiceError {
  return new ServiceError('access-revoked', detail, { reason, scope: 'key', fix });
}

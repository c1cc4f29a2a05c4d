import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import { undecryptable } from '../format/aes-gcm.ts';
import { type KekRef, kidOf, parseKid } from '../format/kek-ref.ts';
import { isWrappedLength, type WrapAlgorithm } from '../format/wrap-algorithms.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { KeyWrapper } from '../keyring/key-wrapper.ts';
import { assertAllowed } from '../keyring/policy/assert-allowed.ts';
import { type GrantDeps, openGrant, underGrant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { wrapKeyKek } from './registered-key.ts';
import { assertAlgorithm } from './wrap-key.ts';

export interface UnwrapKeyDeps extends AuditDeps, GrantDeps {
  readonly dataKeys: Pick<DataKeys, 'policyOf'>;
  readonly vault: KeyWrapper;
}

export interface UnwrapKeyInput {
  readonly tenantId: string;
  readonly wrappedKey: Buffer;
  readonly keyId: string;
  readonly algorithm: WrapAlgorithm;
}

/**
 * Returns the result of Key Vault's own unwrapKey: one vault call, without cache or local work.
 * @throws ServiceError
 */
export async function unwrapKey(
  deps: UnwrapKeyDeps,
  request: AuthenticatedRequest,
  input: UnwrapKeyInput,
): Promise<{ readonly value: Buffer; readonly keyId: string }> {
  const { tenantId } = input;
  const grant = await openGrant(deps, request, 'Keys.Unwrap', tenantId);
  const { key, kek } = wrapKeyKek(grant.tenant, parseKeyId(input.keyId));
  assertAlgorithm(key, input.algorithm);
  if (!isWrappedLength(input.algorithm, input.wrappedKey.length)) throw undecryptable();
  const policy = await deps.dataKeys.policyOf(grant.tenant, kek);
  assertAllowed(policy, { operation: 'unwrap', access: request.access });
  const { bytes, vaultCall } = await underGrant(grant, (tenant) =>
    deps.vault.unwrapKey(tenant, kek, input.algorithm, input.wrappedKey, 'caller'),
  );
  const keyId = kidOf(kek);
  await recordSuccess(deps, request, {
    operation: 'unwrap',
    tenantId,
    keyId,
    bytes: bytes.length,
    vaultCall: { ...vaultCall, policy: policy.policy },
  });
  return { value: bytes, keyId };
}

function parseKeyId(keyId: string): KekRef {
  const kek = parseKid(keyId);
  if (kek) return kek;
  const detail = 'is not the id of a key version, as wrap gives it back';
  throw new ServiceError('malformed-request', `keyId ${detail}`, { errors: [{ pointer: '/keyId', detail }] });
}

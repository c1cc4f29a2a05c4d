import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import { undecryptable } from '../format/jwe.ts';
import { type KekRef, kidOf, parseKid } from '../format/kek-ref.ts';
import { isWrappedLength, type WrapAlgorithm } from '../format/wrap-algorithms.ts';
import type { KeyWrapper } from '../keyring/key-wrapper.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { grantedTenant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { wrapKeyKek } from './registered-key.ts';
import { assertAlgorithm } from './wrap-key.ts';

export interface UnwrapKeyDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly vault: KeyWrapper;
}

export interface UnwrapKeyInput {
  readonly tenantId: string;
  readonly wrappedKey: Buffer;
  readonly keyId: string;
  readonly algorithm: WrapAlgorithm;
}

/** Key Vault's own unwrapKey: one vault call, nothing cached and nothing done here. @throws ServiceError */
export async function unwrapKey(
  deps: UnwrapKeyDeps,
  request: AuthenticatedRequest,
  input: UnwrapKeyInput,
): Promise<{ readonly value: Buffer; readonly keyId: string }> {
  const tenant = await grantedTenant(deps.tenants, request.principal, 'Keys.Unwrap', input.tenantId);
  const { key, kek } = wrapKeyKek(tenant, parseKeyId(input.keyId));
  assertAlgorithm(key, input.algorithm);
  if (!isWrappedLength(input.algorithm, input.wrappedKey.length)) throw undecryptable();
  const { bytes, vaultCall } = await deps.vault.unwrapKey(tenant, kek, input.algorithm, input.wrappedKey, 'caller');
  const keyId = kidOf(kek);
  await recordSuccess(deps, request, {
    operation: 'unwrap',
    tenantId: tenant.id,
    keyId,
    bytes: bytes.length,
    vaultCall,
  });
  return { value: bytes, keyId };
}

function parseKeyId(keyId: string): KekRef {
  const kek = parseKid(keyId);
  if (kek) return kek;
  const detail = 'is not the id of a key version, as wrap gives it back';
  throw new ServiceError('malformed-request', `keyId ${detail}`, { errors: [{ pointer: '/keyId', detail }] });
}

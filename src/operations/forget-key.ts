import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import { type ForgetOutcome, type KeyRegister, keyClaims } from '../tenants/key-register.ts';
import { findTenant, type TenantRegistry } from '../tenants/registry.ts';
import { assertGranted } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';

export interface ForgetKeyDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly keys: Pick<KeyRegister, 'forget'>;
}

export interface ForgetKeyInput {
  readonly tenantId: string;
  /** `https://VAULT/keys/NAME`, in any case. */
  readonly vaultKey: string;
}

/**
 * Deletes a key that was registered by mistake, for the operator: it may then be registered again,
 * for any tenant and use. A key that sealed or opened any message stays stored.
 * @throws ServiceError `key-use` for a key that is in the record or was used, `unknown-key`
 */
export async function forgetKey(
  deps: ForgetKeyDeps,
  request: AuthenticatedRequest,
  { tenantId, ...input }: ForgetKeyInput,
): Promise<void> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  const vaultKey = input.vaultKey.toLowerCase().replace(/\/$/, '');
  const tenant = await findTenant(deps.tenants, tenantId);
  const isInRecord = tenant !== undefined && keyClaims(tenant).some((claim) => claim.vaultKey === vaultKey);
  const outcome = isInRecord ? 'in-record' : await deps.keys.forget(tenantId, vaultKey);
  if (outcome !== 'forgotten') throw refusals[outcome]();
  await recordSuccess(deps, request, { operation: 'key-forget', tenantId, keyId: vaultKey });
}

const refusals: Readonly<Record<Exclude<ForgetOutcome, 'forgotten'>, () => ServiceError>> = {
  'in-record': () =>
    new ServiceError('key-use', "The key is in the tenant's record", {
      reason: 'in-record',
      fix: { owner: 'vendor', action: 'Replace the key in the record first' },
    }),
  'was-used': () =>
    new ServiceError('key-use', 'The key has been used, so its tenant and use are permanent', {
      reason: 'was-used',
      fix: { owner: 'vendor', action: 'Create a new key' },
    }),
  'not-remembered': () =>
    new ServiceError('unknown-key', 'The key was never registered for the tenant', {
      fix: { owner: 'vendor', action: 'Name the key as https://VAULT/keys/NAME, without a version' },
    }),
};

import type { Call } from '../callers/call.ts';
import { canonicalContext } from '../envelope/encryption-context.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { grantedTenant } from './granted-tenant.ts';
import { type OpenDeps, openMessage } from './open-message.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';

export interface DecryptDeps extends AuditDeps, OpenDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
}

export interface DecryptInput {
  readonly tenantId: string;
  readonly ciphertext: string;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
}

/** Opens a message with the tenant's own key. @throws ServiceError */
export async function decrypt(
  deps: DecryptDeps,
  call: Call,
  input: DecryptInput,
): Promise<{ readonly plaintext: Buffer; readonly keyId: string }> {
  const tenant = await grantedTenant(deps.tenants, call.principal, 'Data.Decrypt', input.tenantId);
  const context = canonicalContext(input.encryptionContext);
  const { plaintext, keyId, vaultRequestId } = await openMessage(deps, tenant, input.ciphertext, context);
  const bytes = plaintext.length;
  await recordSuccess(deps, call, { operation: 'decrypt', tenantId: tenant.id, keyId, bytes, vaultRequestId }, context);
  return { plaintext, keyId };
}

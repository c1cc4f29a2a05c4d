import type { Call } from '../callers/call.ts';
import { canonicalContext } from '../envelope/encryption-context.ts';
import { ServiceError } from '../errors.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { grantedTenant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyByAlias } from './registered-key.ts';
import { type SealDeps, sealMessage } from './seal-message.ts';

export interface EncryptDeps extends AuditDeps, SealDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly maxPlaintextBytes: number;
}

export interface EncryptInput {
  readonly tenantId: string;
  readonly plaintext: Buffer;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
  /** Alias; the tenant's default key without it. */
  readonly key?: string | undefined;
}

/** Seals a message under the tenant's own key. @throws ServiceError */
export async function encrypt(
  deps: EncryptDeps,
  call: Call,
  input: EncryptInput,
): Promise<{ readonly ciphertext: string; readonly keyId: string }> {
  const tenant = await grantedTenant(deps.tenants, call.principal, 'Data.Encrypt', input.tenantId);
  const bytes = input.plaintext.length;
  assertFits(bytes, deps.maxPlaintextBytes);
  const key = dataKeyByAlias(tenant, input.key);
  const context = contextForSealing(tenant, input.encryptionContext);
  const sealed = await sealMessage(deps, tenant, key, input.plaintext, context);
  const { ciphertext, keyId, vaultRequestId } = sealed;
  await recordSuccess(deps, call, { operation: 'encrypt', tenantId: tenant.id, keyId, bytes, vaultRequestId }, context);
  return { ciphertext, keyId };
}

/** Names that the tenant requires are asked of new data only: what was sealed before still opens. */
export function contextForSealing(tenant: Tenant, encryptionContext: unknown): Buffer | undefined {
  const context = canonicalContext(encryptionContext);
  const isMissing = (name: string) => context === undefined || !Object.hasOwn(encryptionContext as object, name);
  const missing = tenant.requiredContext.filter(isMissing);
  if (missing.length === 0) return context;
  throw new ServiceError('malformed-request', "The encryption context lacks what the tenant's record requires", {
    errors: missing.map((name) => ({ pointer: '/encryptionContext', detail: `${name} is required` })),
  });
}

function assertFits(bytes: number, max: number): void {
  if (bytes <= max) return;
  throw new ServiceError('body-too-large', `A plaintext has at most ${max} bytes`, {
    errors: [{ pointer: '/plaintext', detail: `has ${bytes} bytes, at most ${max} are taken` }],
  });
}

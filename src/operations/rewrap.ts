import type { Call } from '../callers/call.ts';
import { canonicalContext } from '../envelope/encryption-context.ts';
import type { JweType } from '../envelope/jwe-header.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { Tenant, TenantKey } from '../tenants/tenant.ts';
import { assertGranted, grantedTenant } from './granted-tenant.ts';
import { type OpenDeps, openMessage } from './open-message.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyByAlias } from './registered-key.ts';
import { sealMessage } from './seal-message.ts';

export interface RewrapDeps extends AuditDeps, OpenDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
}

export interface RewrapInput {
  readonly tenantId: string;
  readonly ciphertext: string;
  readonly encryptionContext?: unknown;
  /** Absent members: the same tenant, its default key. */
  readonly to?: { readonly tenantId?: string | undefined; readonly key?: string | undefined } | undefined;
}

/**
 * Seals a message, or the header of a stream, anew under the newest version, another key or another tenant; its plaintext never leaves. The context stays what it
 * is: names that the record requires of new data are not asked of old.
 *
 * @throws ServiceError
 */
export async function rewrap(
  deps: RewrapDeps,
  call: Call,
  input: RewrapInput,
  typ: JweType = 'vaultspan+jwe',
): Promise<{ readonly ciphertext: string; readonly keyId: string }> {
  const { tenantId, to = {} } = input;
  const operation = typ === 'vaultspan+jwe' ? 'rewrap' : 'rewrap-stream';
  assertGranted(call.principal, 'Data.Encrypt', to.tenantId ?? tenantId);
  const source = await grantedTenant(deps.tenants, call.principal, 'Data.Decrypt', tenantId);
  const target = await grantedTenant(deps.tenants, call.principal, 'Data.Encrypt', to.tenantId ?? tenantId);
  const context = canonicalContext(input.encryptionContext);
  const key = dataKeyByAlias(target, to.key);
  const opened = await openMessage(deps, source, input.ciphertext, context, typ);
  const bytes = opened.plaintext.length;
  const sealed = await sealAnew(deps, target, key, opened.plaintext, context, typ);
  const { ciphertext, keyId, vaultRequestId } = sealed;
  if (target.id !== source.id) {
    const from = {
      operation,
      tenantId: source.id,
      keyId: opened.keyId,
      bytes,
      vaultRequestId: opened.vaultRequestId,
    };
    await recordSuccess(deps, call, from, context);
  }
  await recordSuccess(deps, call, { operation, tenantId: target.id, keyId, bytes, vaultRequestId }, context);
  return { ciphertext, keyId };
}

async function sealAnew(
  deps: OpenDeps,
  target: Tenant,
  key: TenantKey,
  plaintext: Buffer,
  context: Buffer | undefined,
  typ: JweType,
) {
  try {
    await deps.dataKeys.freshenVersion(target, key);
    return await sealMessage(deps, target, key, plaintext, context, typ);
  } finally {
    plaintext.fill(0);
  }
}

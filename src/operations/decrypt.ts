import type { Call } from '../callers/call.ts';
import type { DataKeys } from '../envelope/data-keys.ts';
import { canonicalContext } from '../envelope/encryption-context.ts';
import { type Jwe, openJwe, parseJwe } from '../envelope/jwe.ts';
import { malformed } from '../envelope/jwe-header.ts';
import { ServiceError } from '../errors.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { KekRef, Tenant, TenantKey } from '../tenants/tenant.ts';
import type { CountKeyUse } from './count-key-use.ts';
import { grantedTenant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyKek } from './registered-key.ts';

export interface DecryptDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly dataKeys: DataKeys;
  readonly countKeyUse: CountKeyUse;
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
  const jwe = parseJwe(input.ciphertext, 'vaultspan+jwe');
  const kek = kekOf(tenant, jwe);
  const { dataKey, vaultRequestId } = await deps.dataKeys.forOpening(tenant, jwe, kek);
  const plaintext = openJwe(dataKey, jwe, context);
  const keyId = dataKey.kid;
  const bytes = plaintext.length;
  await recordSuccess(deps, call, { operation: 'decrypt', tenantId: tenant.id, keyId, bytes, vaultRequestId }, context);
  deps.countKeyUse(tenant.id, keyId, 'opened');
  return { plaintext, keyId };
}

/** Matches the header with the registry. The vault that is asked is the registered one, never the one that the ciphertext names. */
function kekOf(tenant: Tenant, jwe: Jwe): KekRef {
  if (jwe.header.tid !== tenant.id) {
    throw new ServiceError('wrong-tenant', 'The message belongs to another tenant', {
      errors: [{ pointer: '/ciphertext', detail: "is not one of this tenant's" }],
    });
  }
  const { key, kek } = dataKeyKek(tenant, jwe.kek);
  if (key && !isAlgorithmOf(key, jwe)) throw malformed('its alg is not the one of its key');
  return kek;
}

/** A record without an algorithm means RSA-OAEP-256, or A256KW of a symmetric key, which only a Managed HSM has. */
function isAlgorithmOf(key: TenantKey, { header: { alg } }: Jwe): boolean {
  return key.algorithm === undefined ? alg !== 'RSA-OAEP' : alg === key.algorithm;
}

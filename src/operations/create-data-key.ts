import { randomBytes } from 'node:crypto';
import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { DATA_KEY_BYTES } from '../format/data-key.ts';
import type { Clock } from '../lib/clock.ts';
import type { JsonSafe } from '../lib/json-safe.ts';
import { revocationBoundMsOf } from '../tenants/bounds.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { contextForSealing } from './encrypt-data.ts';
import { grantedTenant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyByAlias } from './registered-key.ts';
import { type SealDeps, sealMessage } from './seal-message.ts';

export interface CreateDataKeyDeps extends AuditDeps, SealDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly clock: Clock;
  /** Of a tenant whose record has none of its own. */
  readonly revocationBoundMs: number;
}

export interface CreateDataKeyInput {
  readonly tenantId: string;
  readonly encryptionContext?: unknown;
  readonly key?: string | undefined;
}

export interface CreatedDataKey {
  readonly plaintext: Buffer;
  readonly ciphertext: JsonSafe;
  readonly keyId: string;
  /** RFC 3339. The client drops the plaintext by then, since a revocation can't reach it. */
  readonly expiresAt: string;
}

/** A fresh 256-bit key for a client that encrypts by itself; decrypt opens it again. @throws ServiceError */
export async function createDataKey(
  deps: CreateDataKeyDeps,
  request: AuthenticatedRequest,
  input: CreateDataKeyInput,
): Promise<CreatedDataKey> {
  const tenant = await grantedTenant(deps.tenants, request.principal, 'Data.Encrypt', input.tenantId);
  const key = dataKeyByAlias(tenant, input.key);
  const context = contextForSealing(tenant, input.encryptionContext);
  const plaintext = randomBytes(DATA_KEY_BYTES);
  const { ciphertext, keyId, vaultCall } = await sealMessage(deps, tenant, key, plaintext, context);
  const boundMs = revocationBoundMsOf(tenant, deps.revocationBoundMs);
  const expiresAt = new Date(deps.clock.wallMs() + boundMs).toISOString();
  const facts = { operation: 'data-key', tenantId: tenant.id, keyId, bytes: DATA_KEY_BYTES, vaultCall };
  await recordSuccess(deps, request, facts, context);
  return { plaintext, ciphertext, keyId, expiresAt };
}

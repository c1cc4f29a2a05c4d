import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { DATA_KEY_BYTES } from '../format/data-key.ts';
import type { JsonSafeText } from '../lib/json-safe.ts';
import type { DrawRandom } from '../lib/random.ts';
import { type GrantDeps, openGrant, underGrant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyFor } from './registered-key.ts';
import { type SealDeps, sealMessage } from './seal-message.ts';
import { contextForSealing } from './sealing-context.ts';

export interface CreateDataKeyDeps extends AuditDeps, SealDeps, GrantDeps {
  readonly draw: DrawRandom;
}

export interface CreateDataKeyInput {
  readonly tenantId: string;
  readonly encryptionContext?: unknown;
  readonly key?: string | undefined;
}

export interface CreatedDataKey {
  readonly plaintext: Buffer;
  readonly ciphertext: JsonSafeText;
  readonly keyId: string;
  /**
   * RFC 3339: the end of the proof of access. The client must drop the plaintext by then, since a
   * revocation cannot reach it.
   */
  readonly expiresAt: string;
}

/**
 * Returns a new 256-bit key for a client that encrypts by itself; decrypt opens it again.
 * @throws ServiceError
 */
export async function createDataKey(
  deps: CreateDataKeyDeps,
  request: AuthenticatedRequest,
  input: CreateDataKeyInput,
): Promise<CreatedDataKey> {
  const { tenantId } = input;
  const opened = openGrant(deps, request, 'Data.Encrypt', tenantId);
  const grant = opened instanceof Promise ? await opened : opened;
  const key = dataKeyFor(grant.tenant, input.key, input.encryptionContext);
  const context = contextForSealing(grant.tenant, input.encryptionContext);
  const about = { operation: 'data-key', context, access: request.access } as const;
  const plaintext = deps.draw(DATA_KEY_BYTES);
  const sealing = underGrant(grant, (tenant) => sealMessage(deps, tenant, key, plaintext, about));
  const { ciphertext, keyId, vaultCall, accessEndsAt } = sealing instanceof Promise ? await sealing : sealing;
  const { clock } = deps;
  const leftMs = Math.max(0, accessEndsAt - clock.monotonicMs());
  const expiresAt = new Date(clock.wallMs() + leftMs).toISOString();
  await recordSuccess(
    deps,
    request,
    { operation: 'data-key', tenantId, keyId, bytes: DATA_KEY_BYTES, vaultCall },
    context,
  );
  return { plaintext, ciphertext, keyId, expiresAt };
}

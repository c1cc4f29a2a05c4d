import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { STREAM_KEY_BYTES, sealedLength } from '../format/stream-format.ts';
import { StreamSealer } from '../format/stream-sealer.ts';
import { stringOf } from '../lib/json-safe.ts';
import type { DrawRandom } from '../lib/random.ts';
import { openGrant, underGrant } from './granted-tenant.ts';
import { accessProver } from './open-message.ts';
import { recordSuccess } from './record-success.ts';
import { dataKeyFor } from './registered-key.ts';
import { type SealDeps, sealMessage } from './seal-message.ts';
import { contextForSealing } from './sealing-context.ts';
import { recheckOf, type StreamDeps, type StreamWork } from './stream-work.ts';

export interface EncryptStreamDeps extends StreamDeps, SealDeps {
  readonly draw: DrawRandom;
}

export interface EncryptStreamInput {
  readonly tenantId: string;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
  /** Alias; default: the tenant's default key. */
  readonly key?: string | undefined;
  /** Length of the plaintext, if known in advance. */
  readonly bytes: number | undefined;
}

/**
 * Prepares a stream for sealing under the tenant's own key: the stream has a key of its own, which
 * is sealed like a message.
 * @throws ServiceError
 */
export async function encryptStream(
  deps: EncryptStreamDeps,
  request: AuthenticatedRequest,
  input: EncryptStreamInput,
): Promise<StreamWork> {
  const { tenantId } = input;
  const grant = await openGrant(deps, request, 'Data.Encrypt', tenantId);
  const key = dataKeyFor(grant.tenant, input.key, input.encryptionContext);
  const context = contextForSealing(grant.tenant, input.encryptionContext);
  const about = { operation: 'encrypt', context, access: request.access } as const;
  const streamKey = deps.draw(STREAM_KEY_BYTES);
  const sealed = await underGrant(grant, (tenant) => sealMessage(deps, tenant, key, streamKey, about, 'stream'));
  const { keyId, vaultCall } = sealed;
  const ciphertext = stringOf(sealed.ciphertext);
  const answerBytes = input.bytes === undefined ? undefined : sealedLength(ciphertext, input.bytes);
  const transform = new StreamSealer(streamKey, ciphertext, deps.draw);
  const facts = { operation: 'encrypt-stream', tenantId, keyId, vaultCall };
  return {
    keyId,
    transform,
    answerBytes,
    start: () => recordSuccess(deps, request, { ...facts, phase: 'started' }, context),
    recheck: recheckOf(grant, accessProver(deps, ciphertext, about, 'stream')),
    finish: () =>
      recordSuccess(deps, request, { ...facts, phase: 'finished', bytes: transform.plaintextBytes }, context),
  };
}

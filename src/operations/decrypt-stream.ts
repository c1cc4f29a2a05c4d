import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { undecryptable } from '../format/aes-gcm.ts';
import { canonicalContext } from '../format/encryption-context.ts';
import { openedLength, STREAM_KEY_BYTES, type StreamPrefix } from '../format/stream-format.ts';
import { StreamOpener } from '../format/stream-opener.ts';
import { openGrant, underGrant } from './granted-tenant.ts';
import { accessProver, type OpenDeps, openMessage } from './open-message.ts';
import { recordSuccess } from './record-success.ts';
import { recheckOf, type StreamDeps, type StreamWork } from './stream-work.ts';

export interface DecryptStreamDeps extends StreamDeps, OpenDeps {}

export interface DecryptStreamInput {
  readonly tenantId: string;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
  /** Length of the whole stream, if known in advance. */
  readonly bytes: number | undefined;
  /** Returns the stream's prefix; not called for a caller that may not decrypt. */
  readonly readPrefix: () => Promise<StreamPrefix>;
}

/**
 * Prepares a stream for opening with the tenant's own key.
 * @throws ServiceError
 */
export async function decryptStream(
  deps: DecryptStreamDeps,
  request: AuthenticatedRequest,
  input: DecryptStreamInput,
): Promise<StreamWork> {
  const { tenantId } = input;
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const context = canonicalContext(input.encryptionContext);
  const prefix = await input.readPrefix();
  const about = { operation: 'decrypt', context, access: request.access } as const;
  const prove = accessProver(deps, prefix.jwe, about, 'stream');
  const answerBytes = input.bytes === undefined ? undefined : openedLength(prefix, input.bytes);
  const opened = await underGrant(grant, (tenant) => openMessage(deps, tenant, prefix.jwe, about, 'stream'));
  const { plaintext: streamKey, keyId, vaultCall } = opened;
  if (streamKey.length !== STREAM_KEY_BYTES) {
    streamKey.fill(0);
    throw undecryptable();
  }
  const transform = new StreamOpener(streamKey);
  const facts = { operation: 'decrypt-stream', tenantId, keyId, vaultCall };
  return {
    keyId,
    transform,
    answerBytes,
    start: () => recordSuccess(deps, request, { ...facts, phase: 'started' }, context),
    recheck: recheckOf(grant, prove),
    finish: () =>
      recordSuccess(deps, request, { ...facts, phase: 'finished', bytes: transform.plaintextBytes }, context),
  };
}

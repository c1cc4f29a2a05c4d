import { stringOf } from '../../lib/json-safe.ts';
import { type DecryptStreamDeps, decryptStream } from '../../operations/decrypt-stream.ts';
import { type EncryptStreamDeps, encryptStream } from '../../operations/encrypt-stream.ts';
import { type RewrapDeps, rewrapStreamHeader } from '../../operations/rewrap-data.ts';
import type { Handler } from './mount.ts';
import type { StreamHandlers } from './mount-streams.ts';

export interface StreamRoutesDeps extends EncryptStreamDeps, DecryptStreamDeps {}

export const streamRoutes = (deps: StreamRoutesDeps): StreamHandlers => ({
  encryptStream: (input, call) => encryptStream(deps, call, input),
  decryptStream: (input, call) => decryptStream(deps, call, input),
});

export const rewrapStreamHeaderRoute =
  (deps: RewrapDeps): Handler<'rewrapStreamHeader'> =>
  async ({ params, body }, call) => {
    const { ciphertext, keyId } = await rewrapStreamHeader(deps, call, { tenantId: params.tenantId, ...body });
    return { ciphertext: stringOf(ciphertext), keyId };
  };

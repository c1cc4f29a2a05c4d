import { base64Of, base64TextOf } from '../../lib/json-safe.ts';
import { releaseMemory } from '../../lib/memory.ts';
import { type CreateDataKeyDeps, createDataKey } from '../../operations/create-data-key.ts';
import { type DecryptDeps, decryptData } from '../../operations/decrypt-data.ts';
import { type EncryptDeps, encryptData } from '../../operations/encrypt-data.ts';
import { type RewrapDeps, rewrapData } from '../../operations/rewrap-data.ts';
import type { Handler } from './mount.ts';

export const encryptDataRoute =
  (deps: EncryptDeps): Handler<'encryptData'> =>
  async ({ params, body }, call) => {
    const encrypted = await encryptData(deps, call, { tenantId: params.tenantId, ...body });
    releaseMemory(body.plaintext);
    return encrypted;
  };

export const decryptDataRoute =
  (deps: DecryptDeps): Handler<'decryptData'> =>
  async ({ params, body }, call) => {
    const { plaintext, keyId } = await decryptData(deps, call, { tenantId: params.tenantId, ...body });
    const text = base64TextOf(plaintext);
    releaseMemory(plaintext);
    if (typeof body.ciphertext !== 'string') releaseMemory(body.ciphertext.bytes);
    return { plaintext: text, keyId };
  };

export const createDataKeyRoute =
  (deps: CreateDataKeyDeps): Handler<'createDataKey'> =>
  async ({ params, body }, call) => {
    const { plaintext, ...issued } = await createDataKey(deps, call, { tenantId: params.tenantId, ...body });
    const text = base64Of(plaintext);
    plaintext.fill(0);
    return { plaintext: text, ...issued };
  };

export const rewrapDataRoute =
  (deps: RewrapDeps): Handler<'rewrapData'> =>
  ({ params, body }, call) =>
    rewrapData(deps, call, { tenantId: params.tenantId, ...body });

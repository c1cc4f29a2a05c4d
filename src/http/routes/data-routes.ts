import { base64Of } from '../../lib/json-safe.ts';
import { type CreateDataKeyDeps, createDataKey } from '../../operations/create-data-key.ts';
import { type DecryptDeps, decryptData } from '../../operations/decrypt-data.ts';
import { type EncryptDeps, encryptData } from '../../operations/encrypt-data.ts';
import { type RewrapDeps, rewrapData } from '../../operations/rewrap-data.ts';
import type { Handler } from './mount.ts';

export const encryptDataRoute =
  (deps: EncryptDeps): Handler<'encryptData'> =>
  async ({ params, body }, call) =>
    encryptData(deps, call, { tenantId: params.tenantId, ...body });

export const decryptDataRoute =
  (deps: DecryptDeps): Handler<'decryptData'> =>
  async ({ params, body }, call) => {
    const { plaintext, keyId } = await decryptData(deps, call, { tenantId: params.tenantId, ...body });
    return { plaintext: base64Of(plaintext), keyId };
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

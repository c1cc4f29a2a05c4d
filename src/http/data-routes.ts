import { type DecryptDeps, decrypt } from '../operations/decrypt.ts';
import { type EncryptDeps, encrypt } from '../operations/encrypt.ts';
import type { Handler } from './mount.ts';

export const encryptRoute =
  (deps: EncryptDeps): Handler<'encryptData'> =>
  async ({ params, body }, call) =>
    encrypt(deps, call, { tenantId: params.tenantId, ...body });

export const decryptRoute =
  (deps: DecryptDeps): Handler<'decryptData'> =>
  async ({ params, body }, call) => {
    const { plaintext, keyId } = await decrypt(deps, call, { tenantId: params.tenantId, ...body });
    return { plaintext: plaintext.toString('base64'), keyId };
  };

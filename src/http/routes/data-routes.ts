import { type DecryptDeps, decrypt } from '../../operations/decrypt.ts';
import { type EncryptDeps, encrypt } from '../../operations/encrypt.ts';
import { type IssueDataKeyDeps, issueDataKey } from '../../operations/issue-data-key.ts';
import { type RewrapDeps, rewrap } from '../../operations/rewrap.ts';
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

export const dataKeyRoute =
  (deps: IssueDataKeyDeps): Handler<'createDataKey'> =>
  async ({ params, body }, call) => {
    const { plaintext, ...issued } = await issueDataKey(deps, call, { tenantId: params.tenantId, ...body });
    const text = plaintext.toString('base64');
    plaintext.fill(0);
    return { plaintext: text, ...issued };
  };

export const rewrapRoute =
  (deps: RewrapDeps): Handler<'rewrapData'> =>
  ({ params, body }, call) =>
    rewrap(deps, call, { tenantId: params.tenantId, ...body });

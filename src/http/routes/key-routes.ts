import { type UnwrapKeyDeps, unwrapKey } from '../../operations/unwrap-key.ts';
import { type WrapKeyDeps, wrapKey } from '../../operations/wrap-key.ts';
import type { Handler } from './mount.ts';

export const wrapKeyRoute =
  (deps: WrapKeyDeps): Handler<'wrapKey'> =>
  async ({ params, body }, call) => {
    const { wrappedKey, keyId, algorithm } = await wrapKey(deps, call, { tenantId: params.tenantId, ...body });
    return { wrappedKey: wrappedKey.toString('base64'), keyId, algorithm };
  };

export const unwrapKeyRoute =
  (deps: UnwrapKeyDeps): Handler<'unwrapKey'> =>
  async ({ params, body }, call) => {
    const { value, keyId } = await unwrapKey(deps, call, { tenantId: params.tenantId, ...body });
    return { value: value.toString('base64'), keyId };
  };

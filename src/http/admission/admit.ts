import type { ServerResponse } from 'node:http';
import { scopeOf } from '../scope.ts';
import type { Admission } from './admission.ts';

/**
 * Admits an authorized request before its body is read: a refusal then costs no more than checking
 * the token. Returns the account of its body, which declares `bytes`; undefined if no token is
 * needed.
 * @throws ServiceError `overloaded`
 */
export function admit(admission: Pick<Admission, 'admit'>, res: ServerResponse, bytes: number) {
  const { principal, tenantId } = scopeOf(res);
  return principal && admission.admit(res, { tenantId, bytes });
}

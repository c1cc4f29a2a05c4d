import type { Response } from 'express';
import { scopeOf } from '../scope.ts';
import type { Admission } from './admission.ts';

/**
 * Admits an authorized request before its body is read: what is shed then has cost a look at the token. `bytes` are those that it will
 * hold in memory.
 *
 * @throws ServiceError `overloaded`
 */
export function admit(admission: Pick<Admission, 'admit'>, res: Response, bytes: number): void {
  const { principal, tenantId } = scopeOf(res);
  if (principal) admission.admit(res, { tenantId, bytes });
}

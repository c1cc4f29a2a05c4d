import type { Response } from 'express';
import { scopeOf } from '../scope.ts';
import type { Admission } from './admission.ts';

/**
 * Admits an authenticated request before its body is read: what is shed then has cost a look at the token. `bytes` are those that it will
 * hold in memory.
 *
 * @throws ServiceError `overloaded`, `caller-throttled`
 */
export function admit(admission: Pick<Admission, 'admit'>, res: Response, bytes: number): void {
  const { principal, tenantId } = scopeOf(res);
  if (!principal) return;
  // Who may not name a tenant uses up none of its share.
  const isLimited = tenantId !== undefined && principal.tenantIds?.has(tenantId) === false;
  admission.admit(res, { callerId: principal.id, tenantId: isLimited ? undefined : tenantId, bytes });
}

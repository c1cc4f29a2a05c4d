import { type ReadAuditDeps, readAudit } from '../../operations/read-audit.ts';
import type { Handler } from './mount.ts';

export const listAuditRecordsRoute =
  (deps: ReadAuditDeps): Handler<'listAuditRecords'> =>
  ({ params, query }, call) =>
    readAudit(deps, call, { tenantId: params.tenantId, ...query });

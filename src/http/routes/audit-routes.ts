import { type ListAuditRecordsDeps, listAuditRecords } from '../../operations/audit/list-audit-records.ts';
import { type ReadUsageDeps, readUsage } from '../../operations/audit/read-usage.ts';
import type { Handler } from './mount.ts';

export const listAuditRecordsRoute =
  (deps: ListAuditRecordsDeps): Handler<'listAuditRecords'> =>
  ({ params, query }, call) =>
    listAuditRecords(deps, call, { tenantId: params.tenantId, ...query });

export const readUsageRoute =
  (deps: ReadUsageDeps): Handler<'readUsage'> =>
  ({ query }, call) =>
    readUsage(deps, call, query);

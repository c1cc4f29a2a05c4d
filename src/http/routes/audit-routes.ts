import { type ListAuditRecordsDeps, listAuditRecords } from '../../operations/audit/list-audit-records.ts';
import { type ReadUsageDeps, readUsage } from '../../operations/audit/read-usage.ts';
import type { Handler } from './mount.ts';

export const listAuditRecordsRoute =
  (deps: ListAuditRecordsDeps): Handler<'listAuditRecords'> =>
  ({ params, query: { operation, outcome, caller, text, ...query } }, call) =>
    listAuditRecords(deps, call, {
      tenantId: params.tenantId,
      filter: { operation, outcome, caller, text },
      ...query,
    });

export const readUsageRoute =
  (deps: ReadUsageDeps): Handler<'readUsage'> =>
  ({ query }, call) =>
    readUsage(deps, call, query);

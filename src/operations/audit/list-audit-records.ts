import type { ParsedRecord } from '../../audit/chain/parse-record.ts';
import { isFiltering, type RecordFilter } from '../../audit/pages/record-filter.ts';
import { type AuditRecords, cursorOf, placeOf } from '../../audit/pages/record-page.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';

export interface ListAuditRecordsDeps extends AuditDeps {
  readonly auditRecords: AuditRecords;
  readonly tenants: Pick<TenantRegistry, 'get'>;
}

export interface ListAuditRecordsInput {
  readonly tenantId: string;
  /** Milliseconds since 1970: at or after `from`, and before `to`. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Absent: all records. */
  readonly filter?: RecordFilter;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

interface AuditPage {
  readonly records: readonly ParsedRecord[];
  readonly nextCursor?: string;
  /** RFC 3339. Of a search that has a next page: how far back this page looked. */
  readonly searchedTo?: string;
}

/**
 * Returns a page of one tenant's records, newest first. Suspended and removed tenants have records
 * too; an id that was never used has none.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `malformed-request`,
 * `registry-unavailable`
 */
export async function listAuditRecords(
  deps: ListAuditRecordsDeps,
  request: AuthenticatedRequest,
  input: ListAuditRecordsInput,
): Promise<AuditPage> {
  const { tenantId, from, to, filter = {}, limit, cursor } = input;
  assertGranted(request.principal, 'Audit.Read', tenantId);
  const before = cursor === undefined ? undefined : placeOf(cursor);
  const { records, next } = await deps.auditRecords.page({ tenantId, from, to, before, filter, limit });
  if (records.length === 0 && !next && !before) await assertKnown(deps, tenantId);
  await recordSuccess(deps, request, { operation: 'audit-read', tenantId });
  if (!next) return { records };
  const page = { records, nextCursor: cursorOf(next) };
  return isFiltering(filter) ? { ...page, searchedTo: new Date(next.at).toISOString() } : page;
}

/** Accepts a tenant that exists, and a removed one that has any records. */
async function assertKnown({ auditRecords, tenants }: ListAuditRecordsDeps, tenantId: string): Promise<void> {
  try {
    await tenants.get(tenantId);
  } catch (error) {
    const { records, next } = await auditRecords.page({ tenantId, filter: {}, limit: 1 });
    if (records.length === 0 && !next) throw error;
  }
}

import { AuditPage, AuditQuery, USAGE_CSV, UsagePage, UsageQuery } from './audit-fields.ts';
import { TenantParams } from './fields.ts';
import type { Operation } from './operation.ts';

/** Operations on the audit log. */
export const auditOperations = {
  listAuditRecords: {
    auditedAs: 'audit-read',
    method: 'get',
    path: '/tenants/{tenantId}/audit',
    tag: 'Audit',
    summary: "Read a tenant's audit records",
    description:
      'Returns pages of records, newest first, also of suspended and removed tenants. If records are shipped to the database, those of every process are there, about a second after the answer that they record; if not, those in the files of this machine. With `Accept: application/x-ndjson` each record is a line, byte for byte as it is stored, and `Next-Cursor` has the cursor. `operation`, `outcome`, `caller` and `text` select records: a page looks through at most 20,000 of the tenant, or through 16 MiB of files, and may be empty although there is a next one. Reading the log is recorded too.',
    role: 'Audit.Read',
    params: TenantParams,
    query: AuditQuery,
    response: AuditPage,
    lines: 'records',
    responseExample: {
      records: [
        {
          chain: '6f1c0f5e-6a52-4a53-9a86-0c5b3f1c7d10',
          sequence: 1187,
          at: '2026-11-23T08:00:00.125Z',
          salt: 'dQmVfXyA0b3kq1r7Yt8w2A',
          previous: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg',
          type: 'event',
          operation: 'decrypt',
          outcome: 'succeeded',
          requestId: '1b0a8f62-6c0f-4d77-9d5d-1f2f6f5c3a11',
          principal: 'https://login.microsoftonline.com/VENDOR-DIRECTORY/v2.0#billing',
          tenantId: 'contoso',
          keyId: 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0',
          bytes: 512,
          vaultRequestId: '7a3f1c55-0f1e-4c9a-8a35-2d3c6b7e9f10',
          tenantSequence: 402,
        },
      ],
      nextCursor: 'MToxNzk1NDI…',
    },
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  readUsage: {
    auditedAs: 'usage-read',
    method: 'get',
    path: '/usage',
    tag: 'Audit',
    summary: 'Read what tenants used',
    description:
      'Sums of the audit records by tenant, day or hour, for billing and capacity. Each stored record counts once, about a second after the answer that it records; vault calls are counted by each process, within 30 seconds. Days are kept for 400 days. With `Accept: text/csv` the rows are CSV (RFC 4180) with a header, and `Next-Cursor` has the cursor. A caller that is limited to some tenants sees only these. Without `audit.database` it is 404 `usage-not-found`.',
    role: 'Audit.Read',
    query: UsageQuery,
    response: UsagePage,
    csv: { member: 'usage', columns: USAGE_CSV },
    responseExample: {
      from: '2026-11-01T00:00:00.000Z',
      to: '2026-11-27T09:00:00.000Z',
      usage: [
        {
          tenantId: 'contoso',
          operations: 184_220,
          failures: 12,
          bytes: 94_371_840,
          vaultCalls: 8_412,
          leases: 0,
          leasedMessages: 0,
        },
      ],
    },
    errors: ['malformed-request', 'tenant-not-found', 'usage-not-found', 'registry-unavailable'],
  },
} as const satisfies Record<string, Operation>;

import { TenantParams } from '../fields.ts';
import type { Operation } from '../operation.ts';
import { OverviewAnswer, TenantHistoryAnswer } from './overview-fields.ts';

/** Operations for people who look after all tenants. */
export const overviewOperations = {
  getOverview: {
    auditedAs: 'overview',
    method: 'get',
    path: '/overview',
    tag: 'Tenants',
    summary: 'Get the state of all tenants in numbers',
    description:
      'Returns how many tenants are active, suspended, failing or unchecked, the steps at which the last checks failed, and the figures of the process that answers.',
    role: 'Tenants.Read',
    response: OverviewAnswer,
    responseExample: {
      tenants: { total: 4, active: 4, suspended: 0, failing: 2, unchecked: 0 },
      failures: [
        { step: 'sign-in', state: 'app-absent', count: 1 },
        { step: 'key data', state: 'role-missing', count: 1 },
      ],
      process: {
        startedAt: '2026-11-23T08:00:00.000Z',
        degraded: [],
        vaultCalls: [{ operation: 'unwrap', outcome: 'ok', count: 12 }],
        signIns: [{ name: 'ok', count: 3 }],
        refusals: [{ name: 'role-missing', count: 1 }],
        rationed: [],
        shed: [],
        openBreakers: [],
      },
    },
    errors: ['registry-unavailable'],
  },
  getTenantHistory: {
    auditedAs: 'tenant-history',
    method: 'get',
    path: '/tenants/{tenantId}/history',
    tag: 'Tenants',
    summary: 'Read the history of a tenant',
    description:
      "Returns the changes of the record with their authors, and the periodic checks that had a new state. A removed tenant's history stays.",
    role: 'Tenants.Read',
    params: TenantParams,
    response: TenantHistoryAnswer,
    responseExample: {
      changes: [{ at: '2026-11-23T08:00:00.000Z', revision: '1', action: 'created', by: 'cli:ann' }],
      checks: [{ state: 'passed', checkedAt: '2026-11-23T08:00:01.000Z' }],
    },
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
} as const satisfies Record<string, Operation>;

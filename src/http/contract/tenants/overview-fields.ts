import * as z from 'zod';
import { named } from '../fields.ts';
import { LastCheck } from './tenant-fields.ts';

const count = z.int();
const Count = named('Count', z.object({ name: z.string(), count }));

const Figures = named(
  'ProcessFigures',
  z
    .object({
      startedAt: z.string().meta({ format: 'date-time' }),
      degraded: z.array(z.string()).meta({ description: 'Parts that fail, as in `GET /readyz`.' }),
      vaultCalls: z
        .array(named('VaultCallCount', z.object({ operation: z.string(), outcome: z.string(), count })))
        .meta({ description: 'Calls to vaults, by operation and outcome.' }),
      signIns: z.array(Count).meta({ description: 'Sign-ins at Entra, by outcome.' }),
      refusals: z.array(Count).meta({ description: 'Definite refusals of access by Azure, by reason.' }),
      rationed: z.array(Count).meta({ description: 'Calls to vaults that were not made, by reason.' }),
      shed: z.array(Count).meta({ description: 'Requests refused for their number or size, by reason.' }),
      openBreakers: z
        .array(z.string())
        .meta({ description: 'Hosts of vaults with an open circuit breaker, at most 100.' }),
    })
    .meta({ description: 'What the answering process has counted since its start. Other processes have their own.' }),
);

export const OverviewAnswer = named(
  'Overview',
  z.object({
    tenants: named(
      'TenantCounts',
      z.object({
        total: count,
        active: count,
        suspended: count,
        failing: count.meta({ description: 'Active tenants whose last check failed.' }),
        unchecked: count.meta({ description: 'Active tenants that were never checked.' }),
      }),
    ),
    failures: z
      .array(named('FailureCount', z.object({ step: z.string(), state: z.string(), count })))
      .meta({ description: 'The failed steps of the last checks of active tenants, the most frequent first.' }),
    process: Figures.optional().meta({ description: 'Absent for a caller that is limited to some tenants.' }),
  }),
);

export const TenantHistoryAnswer = named(
  'TenantHistory',
  z.object({
    changes: z
      .array(
        named(
          'TenantChange',
          z.object({
            at: z.string().meta({ format: 'date-time' }),
            revision: z.string(),
            action: z
              .string()
              .meta({ description: '`created`, `replaced`, `suspended`, `resumed`, `removed` or `restored`.' }),
            by: z.string().meta({ description: 'The principal, as in audit records.' }),
          }),
        ),
      )
      .meta({ description: 'Changes of the record, newest first, at most 100. Empty for a tenant in a file.' }),
    checks: z
      .array(LastCheck)
      .meta({ description: 'Periodic checks whose state differed from the one before, newest first, at most 100.' }),
  }),
);

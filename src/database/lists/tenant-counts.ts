import type { Kysely } from 'kysely';
import type { CheckCounts } from '../../tenants/checks.ts';
import type { TenantCounts } from '../../tenants/registry.ts';
import type { Schema } from '../schema.ts';

/** More kinds of failures are not told apart. */
const MAX_FAILURES = 100;

/** Returns the number of registered tenants by state. */
export async function countTenants(db: Kysely<Schema>): Promise<TenantCounts> {
  const rows = await db
    .selectFrom('tenants')
    .select(({ fn }) => ['state', fn.countAll().as('count')])
    .where('removed_at', 'is', null)
    .groupBy('state')
    .execute();
  const countOf = (state: string) => Number(rows.find((row) => row.state === state)?.count ?? 0);
  return { active: countOf('active'), suspended: countOf('suspended') };
}

/** Returns the results of the last checks of active tenants. */
export async function countChecks(db: Kysely<Schema>): Promise<CheckCounts> {
  const { checked } = await db
    .selectFrom('tenant_checks')
    .select(({ fn }) => fn.countAll().as('checked'))
    .where('is_watched', '=', 1)
    .where('checked_at', '>', 0)
    .executeTakeFirstOrThrow();
  const failures = await db
    .selectFrom('tenant_checks')
    .select(({ fn }) => ['step', 'outcome', fn.countAll().as('count')])
    .where('is_watched', '=', 1)
    .where('step', 'is not', null)
    .groupBy(['step', 'outcome'])
    .orderBy('count', 'desc')
    .orderBy('step')
    .limit(MAX_FAILURES)
    .execute();
  return {
    checked: Number(checked),
    failures: failures.map(({ step, outcome, count }) => ({
      step: step ?? '',
      state: outcome ?? '',
      count: Number(count),
    })),
  };
}

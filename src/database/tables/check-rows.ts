import { type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** The rows of rounds, as changes of tenants update them. */

/**
 * Plans a visit for a tenant that was created, changed, suspended or resumed. An active tenant is
 * due at once, unless a visit is under way: no tenant is visited twice at a time. A restored tenant
 * counts its changes from where its history ends.
 */
export async function planVisit(
  trx: Transaction<Schema>,
  tenantId: string,
  isWatched: boolean,
  at: number,
): Promise<void> {
  const is_watched = isWatched ? 1 : 0;
  const changes = sql<number>`(select coalesce(max(change), 0) from check_history where tenant_id = ${tenantId})`;
  await trx
    .insertInto('tenant_checks')
    .values({ tenant_id: tenantId, is_watched, due_at: at, changes })
    .onConflict((conflict) =>
      conflict.column('tenant_id').doUpdateSet((eb) => ({
        is_watched,
        due_at: eb
          .case()
          .when('tenant_checks.lease_owner', 'is', null)
          .then(at)
          .else(eb.ref('tenant_checks.due_at'))
          .end(),
      })),
    )
    .execute();
}

/** Ends the visits of a removed tenant. The history of its checks stays. */
export async function endVisits(trx: Transaction<Schema>, tenantId: string): Promise<void> {
  await trx.deleteFrom('tenant_checks').where('tenant_id', '=', tenantId).execute();
}

const CHUNK = 500;

/**
 * Makes these tenants the only visited ones: new ones are due at once, known ones keep their due
 * time.
 */
export async function watchOnly(trx: Transaction<Schema>, tenantIds: readonly string[], at: number): Promise<void> {
  await trx.updateTable('tenant_checks').set({ is_watched: 0 }).execute();
  for (let start = 0; start < tenantIds.length; start += CHUNK) {
    const rows = tenantIds
      .slice(start, start + CHUNK)
      .map((tenant_id) => ({ tenant_id, is_watched: 1, due_at: at, changes: 0 }));
    await trx
      .insertInto('tenant_checks')
      .values(rows)
      .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet({ is_watched: 1 }))
      .execute();
  }
}

/** Makes an active tenant due at once, unless a visit is under way. */
export async function hastenVisit(trx: Transaction<Schema>, tenantId: string, at: number): Promise<void> {
  await trx
    .updateTable('tenant_checks')
    .set({ due_at: at })
    .where('tenant_id', '=', tenantId)
    .where('is_watched', '=', 1)
    .where('lease_owner', 'is', null)
    .where('due_at', '>', at)
    .execute();
}

export async function lastCheckText(db: Kysely<Schema>, tenantIds: readonly string[]): Promise<Map<string, string>> {
  if (tenantIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('tenant_checks')
    .select(['tenant_id', 'last_check'])
    .where('tenant_id', 'in', [...tenantIds])
    .where('last_check', 'is not', null)
    .execute();
  return new Map(rows.map(({ tenant_id, last_check }) => [tenant_id, last_check ?? '']));
}

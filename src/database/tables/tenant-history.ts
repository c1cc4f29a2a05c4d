import type { Kysely } from 'kysely';
import type { Check, PastChange, TenantHistory } from '../../tenants/checks.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import { parseCheck } from './claims.ts';

/** More versions of a record are stored than shown; of checks no more are stored. */
const MAX_SHOWN = 100;

/**
 * Returns a tenant's history, also after its removal.
 * @throws ServiceError `registry-unavailable`
 */
export const tenantHistory = ({ read }: Pick<SqlDatabase, 'read'>, tenantId: string): Promise<TenantHistory> =>
  read(async (db) => ({ changes: await pastChanges(db, tenantId), checks: await pastChecks(db, tenantId) }));

async function pastChanges(db: Kysely<Schema>, tenantId: string): Promise<PastChange[]> {
  const rows = await db
    .selectFrom('tenant_history')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .orderBy('revision', 'desc')
    .limit(MAX_SHOWN)
    .execute();
  return rows.map(({ revision, action, changed_by, changed_at, record }) => ({
    revision,
    action,
    changedBy: changed_by,
    changedAt: changed_at,
    record,
  }));
}

async function pastChecks(db: Kysely<Schema>, tenantId: string): Promise<Check[]> {
  const rows = await db
    .selectFrom('check_history')
    .select('check')
    .where('tenant_id', '=', tenantId)
    .orderBy('change', 'desc')
    .limit(MAX_SHOWN)
    .execute();
  return rows.map(({ check }) => parseCheck(check));
}

import type { Kysely } from 'kysely';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

/** What is kept of a tenant's past, as text of JSON. Times are milliseconds since 1970. */
export interface PastChange {
  readonly revision: number;
  readonly action: string;
  readonly changedBy: string;
  readonly changedAt: number;
  readonly record: string;
}

export interface TenantHistory {
  /** Of its record: empty for a tenant in a file. */
  readonly changes: readonly PastChange[];
  /** Checks at which its state changed. */
  readonly checks: readonly string[];
}

/** More is kept of records, and not of checks. */
const MAX_SHOWN = 100;

/** Newest first, of tenants that were removed as well. @throws ServiceError `registry-unavailable` */
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

async function pastChecks(db: Kysely<Schema>, tenantId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('check_history')
    .select('check')
    .where('tenant_id', '=', tenantId)
    .orderBy('change', 'desc')
    .limit(MAX_SHOWN)
    .execute();
  return rows.map(({ check }) => check);
}

import type { Kysely } from 'kysely';
import { type FieldError, ServiceError } from '../../errors.ts';
import type { Tenant } from '../../tenants/record.ts';
import { tenantOf, type tenantSchema } from '../../tenants/record-schema.ts';
import type { Schema } from '../schema.ts';
import type { ChangeSource, Changes } from './change-follower.ts';

export type TenantRow = Pick<Schema['tenants'], 'id' | 'record' | 'revision' | 'created_at' | 'updated_at'>;

const COLUMNS = ['id', 'record', 'revision', 'created_at', 'updated_at'] as const;
/** More changes than this are not looked up individually. */
const MAX_CHANGES = 1_000;

export const findTenant = (db: Kysely<Schema>, tenantId: string): Promise<TenantRow | undefined> =>
  registered(db).where('id', '=', tenantId).executeTakeFirst();

/** Returns the first `limit` tenants after `cursor`, by id. */
export const tenantPage = (db: Kysely<Schema>, limit: number, cursor: string) =>
  registered(db).where('id', '>', cursor).orderBy('id').limit(limit);

const registered = (db: Kysely<Schema>) => db.selectFrom('tenants').select(COLUMNS).where('removed_at', 'is', null);

async function lastSequence(db: Kysely<Schema>): Promise<number> {
  const counter = await db.selectFrom('tenant_changes').select('sequence').executeTakeFirstOrThrow();
  return counter.sequence;
}

/**
 * Returns the tenants that changed after the change with this number. A lower counter means a
 * restored backup: every tenant counts as changed.
 */
async function changesAfter(db: Kysely<Schema>, since: number): Promise<Changes> {
  const sequence = await lastSequence(db);
  if (sequence === since) return { sequence, tenantIds: [] };
  const rows = await db
    .selectFrom('tenants')
    .select(['id', 'change_sequence'])
    .where('change_sequence', '>', since)
    .orderBy('change_sequence')
    .limit(MAX_CHANGES + 1)
    .execute();
  if (sequence < since || rows.length > MAX_CHANGES) return { sequence, tenantIds: undefined };
  return { sequence: rows.at(-1)?.change_sequence ?? sequence, tenantIds: rows.map(({ id }) => id) };
}

/**
 * Returns the tenant in a row, checked by the same rules as at its write. The rules may be stricter
 * by now, or the deployment in another cloud.
 * @throws ServiceError `tenant-misconfigured` with the problems and the revision that a correction
 * must name
 */
export function tenantOfRow(row: TenantRow, schema: ReturnType<typeof tenantSchema>): Tenant {
  const parsed = schema.safeParse(parseJson(row.record));
  if (!parsed.success) {
    throw invalidRecord(
      row,
      parsed.error.issues.map(({ path, message }) => ({ pointer: `/${path.map(String).join('/')}`, detail: message })),
    );
  }
  return tenantOf(parsed.data, stampsOf(row.revision, row.created_at, row.updated_at));
}

export const stampsOf = (revision: number, createdAt: number, updatedAt: number) => ({
  revision: String(revision),
  createdAt: new Date(createdAt).toISOString(),
  updatedAt: new Date(updatedAt).toISOString(),
});

/** Returns the parsed text; `undefined` for invalid JSON, which no schema accepts. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const invalidRecord = ({ revision }: TenantRow, errors: readonly FieldError[]): ServiceError =>
  new ServiceError('tenant-misconfigured', `The stored record (revision ${revision}) is invalid in this version`, {
    reason: 'record-invalid',
    fix: { owner: 'vendor', action: `Replace the record; send revision ${revision} as If-Match` },
    errors,
  });

/** Changes of tenants' records. */
export const tenantChanges: ChangeSource = { channel: 'tenants', lastSequence, changesAfter };

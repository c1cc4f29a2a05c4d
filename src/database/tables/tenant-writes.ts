import type { Transaction } from 'kysely';
import { ServiceError } from '../../errors.ts';
import { assertDistinct, assertNoConflict, keyClaims } from '../../tenants/key-register.ts';
import type { TenantInput } from '../../tenants/record-schema.ts';
import { tenantNotFound } from '../../tenants/registry.ts';
import { listColumns } from '../list-columns.ts';
import type { Schema } from '../schema.ts';
import { endVisits, planVisit } from './check-rows.ts';
import { takeKeys } from './key-uses.ts';

export interface Authorship {
  readonly by: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface Written {
  readonly sequence: number;
  readonly revision: number;
  readonly createdAt: number;
}

type Stored = Pick<Schema['tenants'], 'record' | 'revision' | 'state' | 'created_at' | 'removed_at'>;

/**
 * Creates a tenant (`expected` undefined), or replaces one in exactly that revision.
 * @throws ServiceError as TenantRegistry's `put`
 */
export async function putTenant(
  trx: Transaction<Schema>,
  record: TenantInput,
  expected: string | undefined,
  { by, at }: Authorship,
): Promise<Written> {
  const keys = keyClaims(record);
  assertDistinct(keys);
  const { id, state } = record;
  const sequence = await nextSequence(trx);
  const stored = await findStored(trx, id);
  if (expected === undefined) assertNeverUsed(stored);
  const before = expected === undefined ? undefined : inRevision(stored, expected);
  const revision = (before?.revision ?? 0) + 1;
  const createdAt = before?.created_at ?? at;
  const text = JSON.stringify(record);
  const changed = {
    record: text,
    revision,
    state,
    updated_at: at,
    change_sequence: sequence,
    ...listColumns(record, id),
  };
  await trx
    .insertInto('tenants')
    .values({ id, created_at: createdAt, ...changed })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(changed))
    .execute();
  assertNoConflict(await takeKeys(trx, keys, at));
  const action = before ? actionOf(before, state) : 'created';
  const history = { tenant_id: id, revision, action, record: text, changed_by: by, changed_at: at };
  await trx.insertInto('tenant_history').values(history).execute();
  await planVisit(trx, id, state === 'active', at);
  return { sequence, revision, createdAt };
}

/**
 * Removes a tenant and leaves a tombstone. So neither the id, which ciphertexts carry, nor its keys
 * can ever become another customer's.
 * @throws ServiceError as TenantRegistry's `remove`
 */
export async function removeTenant(
  trx: Transaction<Schema>,
  id: string,
  expected: string,
  { by, at }: Authorship,
): Promise<Pick<Written, 'sequence'>> {
  const sequence = await nextSequence(trx);
  const { record, revision } = inRevision(await findStored(trx, id), expected);
  const removed = { revision: revision + 1, updated_at: at, removed_at: at, change_sequence: sequence };
  await trx.updateTable('tenants').set(removed).where('id', '=', id).execute();
  await trx
    .insertInto('tenant_history')
    .values({ tenant_id: id, revision: revision + 1, action: 'removed', record, changed_by: by, changed_at: at })
    .execute();
  await endVisits(trx, id);
  return { sequence };
}

/**
 * Restores a tenant from its tombstone. The tenant is suspended until the operator resumes it. It
 * still owns its keys.
 * @throws ServiceError as TenantRegistry's `restore`
 */
export async function restoreTenant(
  trx: Transaction<Schema>,
  id: string,
  { by, at }: Authorship,
): Promise<Pick<Written, 'sequence'>> {
  const sequence = await nextSequence(trx);
  const stored = await findStored(trx, id);
  if (!stored) throw tenantNotFound();
  if (stored.removed_at === null) throw notRemoved();
  const revision = stored.revision + 1;
  const record = JSON.stringify({ ...(JSON.parse(stored.record) as object), state: 'suspended' });
  const restored = {
    record,
    state: 'suspended',
    revision,
    updated_at: at,
    removed_at: null,
    change_sequence: sequence,
  };
  await trx.updateTable('tenants').set(restored).where('id', '=', id).execute();
  await trx
    .insertInto('tenant_history')
    .values({ tenant_id: id, revision, action: 'restored', record, changed_by: by, changed_at: at })
    .execute();
  await planVisit(trx, id, false, at);
  return { sequence };
}

const actionOf = (before: Stored, state: string): string => {
  if (before.state === state) return 'replaced';
  return state === 'suspended' ? 'suspended' : 'resumed';
};

/**
 * Returns the next number. Call it first: until the commit this transaction is then the only
 * writer, so that the values read below stay true.
 */
async function nextSequence(trx: Transaction<Schema>): Promise<number> {
  const { sequence } = await trx
    .updateTable('tenant_changes')
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .returning('sequence')
    .executeTakeFirstOrThrow();
  return sequence;
}

const findStored = (trx: Transaction<Schema>, id: string): Promise<Stored | undefined> =>
  trx
    .selectFrom('tenants')
    .select(['record', 'revision', 'state', 'created_at', 'removed_at'])
    .where('id', '=', id)
    .executeTakeFirst();

function assertNeverUsed(stored: Stored | undefined): void {
  if (!stored) return;
  if (stored.removed_at === null) {
    throw new ServiceError('tenant-exists', 'The tenant exists: send If-Match with its ETag to replace its record', {
      errors: [{ pointer: '/path/tenantId', detail: 'is already registered' }],
    });
  }
  throw new ServiceError('tenant-exists', 'The id belonged to a removed tenant; ids are never reused', {
    reason: 'id-used-before',
    fix: { owner: 'vendor', action: 'Restore the tenant that had the id, or choose another id' },
    errors: [{ pointer: '/path/tenantId', detail: 'was used before' }],
  });
}

const notRemoved = (): ServiceError =>
  new ServiceError('tenant-exists', 'The tenant is registered: there is nothing to restore', {
    reason: 'not-removed',
    errors: [{ pointer: '/path/tenantId', detail: 'was not removed' }],
  });

function inRevision(stored: Stored | undefined, expected: string): Stored {
  if (!stored || stored.removed_at !== null) throw tenantNotFound();
  if (String(stored.revision) !== expected) {
    throw new ServiceError('revision-mismatch', 'The tenant has been changed since it was read', {
      errors: [{ pointer: '/header/If-Match', detail: 'is not the current revision' }],
    });
  }
  return stored;
}

import type { Kysely, Transaction } from 'kysely';
import {
  type ForgetOutcome,
  type KeyClaim,
  type KeyConflict,
  type KeyRegister,
  keyClaims,
} from '../../tenants/key-register.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

type Row = Pick<Schema['key_uses'], 'vault_key' | 'tenant_id' | 'use'>;

/** Far below the limit on the parameters of one statement. */
const CHUNK = 500;

/**
 * Returns the register of the tables, for tenants in a file and for the operator. Tenants in the
 * database claim their keys when they are written.
 */
export const keyRegister = ({ read, write }: SqlDatabase): KeyRegister => ({
  async take(claims) {
    // Usually all are known already, which takes no lock.
    const known = judge(claims, await read((db) => remembered(db, claims)));
    if (known.conflicts.length > 0 || known.fresh.length === 0) return known.conflicts;
    return write(async (trx) => {
      await lockWriters(trx);
      return takeKeys(trx, claims, Date.now());
    });
  },

  forget: (tenantId, vaultKey) =>
    write(async (trx) => {
      await lockWriters(trx);
      return forget(trx, tenantId, vaultKey);
    }),
});

/** Stores the claims unless one conflicts. The transaction must be the only writer. */
export async function takeKeys(
  trx: Transaction<Schema>,
  claims: readonly KeyClaim[],
  at: number,
): Promise<readonly KeyConflict[]> {
  const { conflicts, fresh } = judge(claims, await remembered(trx, claims));
  if (conflicts.length > 0) return conflicts;
  for (const chunk of chunksOf(fresh)) {
    const rows = chunk.map(({ tenantId, vaultKey, use }) => ({
      vault_key: vaultKey,
      tenant_id: tenantId,
      use,
      registered_at: at,
    }));
    await trx
      .insertInto('key_uses')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  return [];
}

/**
 * Returns new claims and conflicts. A claim that is stored as it is has no conflict, whatever else
 * older versions allowed for its key.
 */
function judge(claims: readonly KeyClaim[], rows: readonly Row[]) {
  const byKey = Map.groupBy(rows, ({ vault_key }) => vault_key);
  const conflicts: KeyConflict[] = [];
  const fresh: KeyClaim[] = [];
  for (const claim of claims) {
    const known = byKey.get(claim.vaultKey) ?? [];
    const own = known.filter(({ tenant_id }) => tenant_id === claim.tenantId);
    if (own.some(({ use }) => use === claim.use)) continue;
    if (known.length === 0) fresh.push(claim);
    else conflicts.push({ claim, code: own.length < known.length ? 'key-taken' : 'key-use' });
  }
  return { conflicts, fresh };
}

async function remembered(db: Kysely<Schema>, claims: readonly KeyClaim[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const chunk of chunksOf(claims)) {
    const names = chunk.map(({ vaultKey }) => vaultKey);
    const found = await db
      .selectFrom('key_uses')
      .select(['vault_key', 'tenant_id', 'use'])
      .where('vault_key', 'in', names)
      .execute();
    rows.push(...found);
  }
  return rows;
}

async function forget(trx: Transaction<Schema>, tenantId: string, vaultKey: string): Promise<ForgetOutcome> {
  if (await isInRecord(trx, tenantId, vaultKey)) return 'in-record';
  if (await wasUsed(trx, vaultKey)) return 'was-used';
  const { numDeletedRows } = await trx
    .deleteFrom('key_uses')
    .where('vault_key', '=', vaultKey)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
  return numDeletedRows > 0n ? 'forgotten' : 'not-remembered';
}

async function isInRecord(trx: Transaction<Schema>, tenantId: string, vaultKey: string): Promise<boolean> {
  const row = await trx
    .selectFrom('tenants')
    .select('record')
    .where('id', '=', tenantId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  if (!row) return false;
  const record = JSON.parse(row.record) as Pick<Tenant, 'id' | 'keys' | 'retiredKeys'>; // only `putTenant` writes it
  return keyClaims(record).some((claim) => claim.vaultKey === vaultKey);
}

async function wasUsed(trx: Transaction<Schema>, vaultKey: string): Promise<boolean> {
  const used = await trx
    .selectFrom('key_usage')
    .select('key_id')
    .where(({ fn }) => fn<string>('lower', ['key_id']), 'like', `${vaultKey}/%`)
    .limit(1)
    .executeTakeFirst();
  return used !== undefined;
}

/** Makes this transaction the only writer of tenants and of their keys until the commit. */
async function lockWriters(trx: Transaction<Schema>): Promise<void> {
  await trx
    .updateTable('tenant_changes')
    .set((eb) => ({ sequence: eb.ref('sequence') }))
    .execute();
}

function* chunksOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += CHUNK) yield items.slice(at, at + CHUNK);
}

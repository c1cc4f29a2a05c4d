import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

/** Chains remember which of their records were removed with their days, and go some time after the last one. */
export async function removeChains(trx: Transaction<Schema>, { nowMs }: SqlDialect): Promise<void> {
  await trx.schema
    .alterTable('audit_chains')
    .addColumn('removed', 'bigint', (column) => column.notNull().defaultTo(-1))
    .execute();
  await trx.schema.alterTable('audit_chains').addColumn('removed_at', 'bigint').execute();
  // One look-up of the index for each chain, not one for each record.
  await sql`update audit_chains set removed = coalesce(
    (select min(sequence) - 1 from audit_records as r where r.chain = audit_chains.chain), stored)`.execute(trx);
  await sql`update audit_chains set removed_at = ${nowMs} where removed >= stored`.execute(trx);
  await trx.schema
    .createIndex('audit_chains_removed')
    .on('audit_chains')
    .column('removed_at')
    .where(sql.ref('removed_at'), 'is not', null)
    .execute();
}

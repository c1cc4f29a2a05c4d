import { sql, type Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** The tree of a log grows before a checkpoint, and no longer with each entry. */
export async function growTreesLater(trx: Transaction<Schema>): Promise<void> {
  await trx.schema
    .alterTable('log_heads')
    .addColumn('edge_size', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await trx
    .updateTable('log_heads')
    .set({ edge_size: sql.ref('size') })
    .execute();
}

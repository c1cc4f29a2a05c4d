import type { Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** Adds the time of a key's first copy: an index version writes only from then on. */
export async function dateCopies(trx: Transaction<Schema>): Promise<void> {
  await trx.schema.alterTable('keyring_keys').addColumn('copied_at', 'bigint').execute();
}

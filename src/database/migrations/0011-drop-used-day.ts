import type { Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** Drops the day of a key's last use, which nothing wrote. */
export async function dropUsedDay(trx: Transaction<Schema>): Promise<void> {
  await trx.schema.alterTable('keyring_keys').dropColumn('used_day').execute();
}

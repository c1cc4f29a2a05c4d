import type { Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/**
 * Notes the last stored record of chains, so that the sequencer finds those with news. A lower
 * number changes nothing.
 */
export async function noteChains(trx: Transaction<Schema>, last: ReadonlyMap<string, number>): Promise<void> {
  for (const [chain, stored] of last) {
    await trx
      .insertInto('audit_chains')
      .values({ chain, stored, sequenced: -1 })
      .onConflict((conflict) =>
        conflict.column('chain').doUpdateSet({ stored }).where('audit_chains.stored', '<', stored),
      )
      .execute();
  }
}

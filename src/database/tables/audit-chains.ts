import { sql, type Transaction } from 'kysely';
import type { ChainEnd } from '../../audit/audit-table.ts';
import type { RowColumns, SqlDialect } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

const ENDS = { chain: 'text', through: 'bigint' } as const satisfies RowColumns;

/**
 * Notes the last stored record of chains, so that the sequencer finds those with news; a lower
 * number changes nothing. Returns the last record of each that was removed with its day. A chain
 * that was forgotten continues after its entries in the transparency logs.
 */
export async function noteChains(
  trx: Transaction<Schema>,
  last: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const removed = new Map<string, number>();
  for (const [chain, stored] of last) {
    const { rows } = await sql<{ removed: number }>`insert into audit_chains (chain, stored, sequenced)
      values (${chain}, ${stored}, coalesce((${lastEntry(chain)}), -1))
      on conflict (chain) do update set removed_at = null,
        stored = case when audit_chains.stored < excluded.stored then excluded.stored else audit_chains.stored end
      returning removed`.execute(trx);
    removed.set(chain, rows[0]?.removed ?? -1);
  }
  return removed;
}

/** Returns the query for the last entry of a chain. SQLite uses an index of entries that are not null only if told so. */
export const lastEntry = (chain: string) =>
  sql`select max(chain_sequence) as last from log_entries where chain = ${chain} and chain_sequence is not null`;

/** Notes that the records of chains are removed up to these. */
export const noteRemoved = ({ write, dialect }: Pick<SqlDatabase, 'write' | 'dialect'>, ends: readonly ChainEnd[]) =>
  write((trx) =>
    sql`update audit_chains set
        removed = case when audit_chains.removed < rows.through then rows.through else audit_chains.removed end,
        removed_at = case when stored <= rows.through or stored <= audit_chains.removed then ${dialect.nowMs} end
      from ${dialect.rows(ENDS, ends)} where rows.chain = audit_chains.chain`.execute(trx),
  );

/** Forgets chains whose last record was removed before this time, and how far they were delivered. */
export const forgetChains = ({ write }: Pick<SqlDatabase, 'write'>, before: number) =>
  write(async (trx) => {
    const { rows } = await sql<{ chain: string }>`delete from audit_chains where removed_at < ${before}
      and not exists (select 1 from audit_records as r where r.chain = audit_chains.chain)
      returning chain`.execute(trx);
    for (const { chain } of rows) await trx.deleteFrom('otlp_cursors').where('chain', '=', chain).execute();
  });

/** Returns the last record of each chain on a day, by a look-up of the index for each. */
export const endsOnDay = (records: ReturnType<typeof sql>, { name }: SqlDialect) =>
  name === 'SQLite'
    ? sql<ChainEnd>`select chain, max(sequence) as through from ${records} as r group by chain`
    : sql<ChainEnd>`with recursive found(chain) as (
          select max(chain) from ${records} as r
          union all
          select (select max(chain) from ${records} as r where r.chain < found.chain) from found where found.chain is not null)
        select chain, (select max(sequence) from ${records} as r where r.chain = found.chain) as through
        from found where chain is not null`;

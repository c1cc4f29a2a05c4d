import type { AuditTable, ChainEnd } from '../../src/audit/audit-table.ts';
import type { SqlDatabase } from '../../src/database/open-database.ts';
import { auditTable } from '../../src/database/tables/audit-table.ts';
import { newPostgres } from './sql-databases.ts';

export interface TestTable extends AsyncDisposable {
  readonly table: AuditTable;
  readonly database: SqlDatabase;
}

/** Returns the table in a PostgreSQL database of the test's own. */
export async function newAuditTable(): Promise<TestTable> {
  const postgres = await newPostgres();
  const database = await postgres.open();
  return { table: auditTable(database), database, [Symbol.asyncDispose]: () => postgres[Symbol.asyncDispose]() };
}

/** Drops a day with all records that it has now. */
export async function dropWholeDay(table: AuditTable, day: number): Promise<boolean> {
  const ends: ChainEnd[] = [];
  for (let end = await table.endOnDay(day, undefined); end; end = await table.endOnDay(day, end.chain))
    ends.push({ chain: end.chain, through: end.sequence });
  return table.dropDay(day, ends);
}

/** Returns all of its lines, chain by chain in the order of ids. */
export async function linesIn(table: AuditTable): Promise<string[]> {
  const lines: string[] = [];
  for (let first = await table.nextChain(''); first; first = await table.nextChain(first.chain)) {
    lines.push(...(await table.following(first.chain, -1, 100_000)).map(({ line }) => line));
  }
  return lines;
}

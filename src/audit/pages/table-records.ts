import type { AuditPageQuery, AuditPlace, AuditTable } from '../audit-table.ts';
import { isFiltering, isWanted, marksOf } from './record-filter.ts';
import { type AuditRecords, type RecordPage, type RecordQuery, recordOf } from './record-page.ts';

/** The most records that are looked through for one page: some 50 ms of the database. */
const SCANNED = 20_000;

type Table = Pick<AuditTable, 'page' | 'search'>;

/** Returns a reader of the database's records: those of all processes, once they are shipped. */
export const tableRecords = (table: Table, scanned = SCANNED): AuditRecords => ({
  async page(query) {
    const { rows, end } = await read(table, query, scanned);
    const shown = rows.slice(0, query.limit);
    const records = shown.flatMap(({ line }) => {
      const record = recordOf(line, query.tenantId);
      return record && isWanted(record, query.filter) ? record : [];
    });
    const next = rows.length > query.limit ? placeOf(shown.at(-1)) : end;
    return next ? { records, next } : { records };
  },
});

/** Returns one row more than the page has, if there is one, and where a search stopped. */
async function read(table: Table, { filter, ...query }: RecordQuery, scanned: number) {
  const more: AuditPageQuery = { ...query, limit: query.limit + 1 };
  if (isFiltering(filter)) return table.search({ ...more, marks: marksOf(filter), scanned });
  return { rows: await table.page(more), end: undefined };
}

const placeOf = (row: AuditPlace | undefined): RecordPage['next'] =>
  row && { at: row.at, chain: row.chain, sequence: row.sequence };

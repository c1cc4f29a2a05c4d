import { setImmediate } from 'node:timers/promises';
import type { AuditPageQuery, AuditPlace, AuditTable } from '../audit-table.ts';
import { isFiltering, isWanted, marksOf } from './record-filter.ts';
import { type AuditRecords, type RecordPage, type RecordQuery, recordOf } from './record-page.ts';

/** The most records that are looked through for one page. */
const SCANNED = 20_000;

type Table = Pick<AuditTable, 'page' | 'search' | 'searchedAtOnce'>;

/** Returns a reader of the database's records: those of all processes, once they are shipped. */
export const tableRecords = (table: Table, scanned = SCANNED): AuditRecords => ({
  page: async (query) => {
    // One row more than the page has shows whether there is a next page.
    const more: AuditPageQuery = { ...query, limit: query.limit + 1 };
    const { rows, end } = isFiltering(query.filter)
      ? await searchIn(table, { ...more, filter: query.filter }, scanned)
      : { rows: await table.page(more), end: undefined };
    const shown = rows.slice(0, query.limit);
    const records = shown.flatMap(({ line }) => {
      const record = recordOf(line, query.tenantId);
      return record && isWanted(record, query.filter) ? record : [];
    });
    const next = rows.length > query.limit ? placeOf(shown.at(-1)) : placeOf(end);
    return next ? { records, next } : { records };
  },
});

/** Looks through one slice after the other, with turns of the event loop for other requests. */
async function searchIn(table: Table, query: RecordQuery, scanned: number) {
  const marks = marksOf(query.filter);
  const slice = Math.min(scanned, table.searchedAtOnce);
  const rows = [];
  let end = query.before;
  for (let looked = 0; looked < scanned; looked += slice) {
    const limit = query.limit - rows.length;
    const found = await table.search({ ...query, before: end, limit, marks, scanned: slice });
    rows.push(...found.rows);
    end = found.end;
    if (rows.length === query.limit || !end) break;
    await setImmediate();
  }
  return { rows, end };
}

const placeOf = (row: AuditPlace | undefined): RecordPage['next'] =>
  row && { at: row.at, chain: row.chain, sequence: row.sequence };

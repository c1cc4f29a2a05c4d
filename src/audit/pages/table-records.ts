import type { AuditTable } from '../audit-table.ts';
import { type AuditRecords, recordOf } from './record-page.ts';

/** Returns a reader of the database's records: those of all processes, once they are shipped. */
export const tableRecords = (table: Pick<AuditTable, 'page'>): AuditRecords => ({
  async page(query) {
    const rows = await table.page({ ...query, limit: query.limit + 1 });
    const shown = rows.slice(0, query.limit);
    const records = shown.map(({ line }) => recordOf(line, query.tenantId)).filter((record) => record !== undefined);
    const last = shown.at(-1);
    return rows.length > query.limit && last
      ? { records, next: { at: last.at, chain: last.chain, sequence: last.sequence } }
      : { records };
  },
});

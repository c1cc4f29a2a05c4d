import { ServiceError } from '../../errors.ts';
import type { AuditPageQuery, AuditPlace } from '../audit-table.ts';
import { type ParsedRecord, parseRecord } from '../chain/parse-record.ts';
import type { RecordFilter } from './record-filter.ts';

/** Records of one tenant, newest first. A page with a next one may be empty. */
export interface RecordPage {
  readonly records: readonly ParsedRecord[];
  /** The start of the next page; absent at the end. */
  readonly next?: AuditPlace;
}

export interface RecordQuery extends AuditPageQuery {
  readonly filter: RecordFilter;
}

/** A reader of stored records. */
export interface AuditRecords {
  /**
   * Returns a page.
   * @throws ServiceError `registry-unavailable`
   */
  page(query: RecordQuery): Promise<RecordPage>;
}

/**
 * Returns the record of a line with its members in their stored order; undefined for another
 * tenant's.
 */
export function recordOf(line: string, tenantId: string): ParsedRecord | undefined {
  const record = parseRecord(line);
  if (typeof record === 'string' || record.tenantId !== tenantId) return;
  return JSON.parse(line) as ParsedRecord; // just checked; the checked copy has the schema's order
}

/** Compares two places; the newer one is greater. */
export const comparePlaces = (a: AuditPlace, b: AuditPlace): number =>
  a.at - b.at || (a.chain === b.chain ? a.sequence - b.sequence : a.chain < b.chain ? -1 : 1);

/** Returns a cursor. It is opaque to clients, so that its content may change. */
export const cursorOf = ({ at, chain, sequence }: AuditPlace): string =>
  Buffer.from(`1:${at}:${chain}:${sequence}`).toString('base64url');

/**
 * Returns the place in a cursor.
 * @throws ServiceError `malformed-request`
 */
export function placeOf(cursor: string): AuditPlace {
  const match = /^1:(\d{1,15}):([0-9a-f-]{36}):(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  const [, at, chain = '', sequence] = match ?? [];
  const place = { at: Number(at), chain, sequence: Number(sequence) };
  if (match && cursorOf(place) === cursor) return place;
  const detail = 'is no cursor that a list gave';
  throw new ServiceError('malformed-request', `cursor ${detail}`, { errors: [{ pointer: '/query/cursor', detail }] });
}

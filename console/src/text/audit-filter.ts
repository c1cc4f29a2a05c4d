import type { AuditRecord } from '../api/types.ts';

export interface AuditFilter {
  readonly operation: string;
  readonly outcome: string;
  /** Any part of the caller, a request id, a key id, or a code. */
  readonly text: string;
}

/** Returns whether a record has what the filter asks for; an empty member asks for nothing. */
export function matches(record: AuditRecord, { operation, outcome, text }: AuditFilter): boolean {
  if (operation !== '' && !includes(record.operation, operation)) return false;
  if (outcome !== '' && record.outcome !== outcome) return false;
  if (text === '') return true;
  const { principal, requestId, clientRequestId, keyId, code, reason, vaultRequestId, access, type } = record;
  const places = [principal, requestId, clientRequestId, keyId, code, reason, vaultRequestId, type];
  return [...places, access?.subject, access?.reason, access?.label].some((place) => includes(place, text));
}

const includes = (value: string | undefined, part: string): boolean =>
  value?.toLowerCase().includes(part.trim().toLowerCase()) ?? false;

/** Returns the time of an `<input type="datetime-local">` as the API wants it; undefined if empty. */
export function instantOf(local: string): string | undefined {
  const time = local === '' ? Number.NaN : new Date(local).getTime();
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

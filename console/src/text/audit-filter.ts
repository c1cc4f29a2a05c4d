/** A search as it stands in the form. */
export interface AuditSearch {
  /** Local times of `<input type="datetime-local">`. */
  readonly from: string;
  readonly to: string;
  readonly operation: string;
  readonly outcome: string;
  readonly caller: string;
  readonly text: string;
}

export const NO_SEARCH: AuditSearch = { from: '', to: '', operation: '', outcome: '', caller: '', text: '' };

/** The query parameters of a search; an empty member asks for nothing. */
export type AuditQuery = Readonly<Record<keyof AuditSearch, string | undefined>>;

const SHORTEST_TEXT = 3;

export interface AuditFaults {
  readonly operation?: string;
  readonly text?: string;
}

/** Returns what the service would refuse in a search. */
export const faultsOfSearch = ({ operation, text }: AuditSearch): AuditFaults => ({
  ...(/^(?:[a-z][a-z-]{0,63})?$/.test(operation.trim()) ? {} : { operation: 'Such as decrypt or tenant-read' }),
  ...(text.trim() === '' || text.trim().length >= SHORTEST_TEXT
    ? {}
    : { text: `At least ${SHORTEST_TEXT} characters` }),
});

export const queryOf = ({ from, to, operation, outcome, caller, text }: AuditSearch): AuditQuery => ({
  from: instantOf(from),
  to: instantOf(to),
  operation: operation.trim(),
  outcome,
  caller: caller.trim(),
  text: text.trim(),
});

/** Returns the time of an `<input type="datetime-local">` as the API wants it; undefined if empty. */
export function instantOf(local: string): string | undefined {
  const time = local === '' ? Number.NaN : new Date(local).getTime();
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

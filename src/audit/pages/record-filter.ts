import type { LineMarks } from '../audit-table.ts';
import type { ParsedRecord } from '../chain/parse-record.ts';

/** The records that a search is for; an absent member asks for nothing. */
export interface RecordFilter {
  readonly operation?: string | undefined;
  readonly outcome?: 'succeeded' | 'refused' | 'failed' | undefined;
  /** A whole principal, or its subject: the part after the `#`. */
  readonly caller?: string | undefined;
  /** Text anywhere in the stored line; ASCII letters in any case. */
  readonly text?: string | undefined;
}

/** Returns whether the filter asks for anything. */
export const isFiltering = ({ operation, outcome, caller, text }: RecordFilter): boolean =>
  [operation, outcome, caller, text].some((part) => part !== undefined);

/** Returns the marks of a filter: lines are JSON as JSON.stringify writes it, with one order of members. */
export function marksOf({ operation, outcome, caller, text }: RecordFilter): LineMarks {
  const exact = [
    operation === undefined ? [] : `"operation":${JSON.stringify(operation)}`,
    outcome === undefined ? [] : `"outcome":${JSON.stringify(outcome)}`,
    caller === undefined ? [] : JSON.stringify(caller).slice(1),
  ].flat();
  return { exact, folded: text === undefined ? [] : [foldAscii(JSON.stringify(text).slice(1, -1))] };
}

/** Returns whether a line has the marks. */
export const hasMarks = (line: string, { exact, folded }: LineMarks): boolean =>
  exact.every((mark) => line.includes(mark)) && folded.every((mark) => foldAscii(line).includes(mark));

/** Returns whether a record whose line has the marks is one that the filter asks for. */
export function isWanted(record: ParsedRecord, { operation, outcome, caller }: RecordFilter): boolean {
  if (operation !== undefined && record.operation !== operation) return false;
  if (outcome !== undefined && record.outcome !== outcome) return false;
  if (caller === undefined) return true;
  return record.principal === caller || record.principal?.endsWith(`#${caller}`) === true;
}

/** Databases fold these letters alike, and others by their locale. */
const foldAscii = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

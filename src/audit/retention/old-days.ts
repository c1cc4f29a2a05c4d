import type { AuditTable } from '../audit-table.ts';
import type { Removal } from '../chain/chain.ts';
import { hashLine } from '../chain/chain.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { parseRecord } from '../chain/parse-record.ts';
import { dayOf } from '../days.ts';
import { keepFurther } from './remove-files.ts';

const MAX_TRIES = 3;

export interface OldDaysOptions {
  readonly table: Pick<AuditTable, 'days' | 'dropDay' | 'endOnDay' | 'removalsOnDay'>;
  /** Receives a record of each removal. */
  readonly sink: Pick<FileSink, 'recordRemoval'>;
  readonly days: number;
}

/**
 * Drops the days that are older than `days`, after a record of the end of each chain on them, and
 * returns the days. Times never decrease within a chain, so this removes the first records of each.
 * The newest days that have records stay, one more than `days`, whatever the clock shows. Several
 * processes may call it at once.
 * @param now the database's time, not this process's
 * @throws ServiceError `audit-unavailable`, `registry-unavailable`
 */
export async function dropOldDays({ table, sink, days }: OldDaysOptions, now: number): Promise<number[]> {
  const today = dayOf(now);
  const past = (await table.days()).filter((day) => day <= today).sort((a, b) => b - a);
  let old = past.filter((day) => day < today - days);
  if (old.length === 0) return [];
  const firstKept = await nthDayWithRecords(table, past, days + 1);
  old = old.filter((day) => firstKept !== undefined && day < firstKept).reverse();
  const dropped: number[] = [];
  for (const day of old) {
    if (!(await dropDay({ table, sink }, day))) break; // later days first would leave chains without their middle
    dropped.push(day);
  }
  return dropped;
}

/** Drops a day. Returns false if records of it were stored again and again; the next run drops them too. */
async function dropDay({ table, sink }: Pick<OldDaysOptions, 'table' | 'sink'>, day: number): Promise<boolean> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const ends = await endsOf(table, day);
    const notes = new Map<string, Removal>();
    for (const note of [...(await notesToRepeat(table, day)), ...ends]) keepFurther(notes, note);
    await Promise.all([...notes.values()].map((note) => sink.recordRemoval(note)));
    if (await table.dropDay(day, ends)) return true;
  }
  return false;
}

/** Returns the n-th day that has records; undefined if there are fewer. */
async function nthDayWithRecords(
  { endOnDay }: OldDaysOptions['table'],
  days: readonly number[],
  count: number,
): Promise<number | undefined> {
  let found = 0;
  for (const day of days) {
    if (await endOnDay(day, undefined)) found += 1;
    if (found === count) return day;
  }
}

/**
 * Returns the removals recorded on that day that explain the late beginnings of remaining chains.
 */
async function notesToRepeat({ removalsOnDay }: OldDaysOptions['table'], day: number): Promise<Removal[]> {
  const records = (await removalsOnDay(day)).map(parseRecord);
  return records.flatMap((record) => (typeof record !== 'string' && record.removed ? [record.removed] : []));
}

async function endsOf({ endOnDay }: OldDaysOptions['table'], day: number): Promise<Removal[]> {
  const ends: Removal[] = [];
  for (let end = await endOnDay(day, undefined); end; end = await endOnDay(day, end.chain)) {
    ends.push({ cause: 'retention', chain: end.chain, through: end.sequence, hash: hashLine(end.line) });
  }
  return ends;
}

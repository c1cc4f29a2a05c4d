import type { AuditTable } from '../audit-table.ts';
import type { Removal } from '../chain/chain.ts';
import { hashLine } from '../chain/chain.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { parseRecord } from '../chain/parse-record.ts';
import { dayOf } from '../days.ts';
import { keepFurther } from './remove-files.ts';

export interface TableRetentionOptions {
  readonly table: Pick<AuditTable, 'days' | 'dropDay' | 'endOnDay' | 'removalsOnDay'>;
  /** Takes the notes of what goes. */
  readonly sink: Pick<FileSink, 'recordRemoval'>;
  readonly days: number;
}

/**
 * Drops the days that are older, after a record of where each chain ended in them. Records never go back in time within a chain, so what
 * goes is the beginning of each. Several processes may do it at once. The days that went.
 *
 * @throws ServiceError `audit-unavailable`, `registry-unavailable`
 */
export async function dropOldDays({ table, sink, days }: TableRetentionOptions, now: number): Promise<number[]> {
  const firstKept = dayOf(now) - days;
  const old = (await table.days()).filter((day) => day < firstKept);
  for (const day of old) {
    const notes = new Map<string, Removal>();
    for (const note of [...(await notesToRepeat(table, day)), ...(await endsOf(table, day))]) keepFurther(notes, note);
    await Promise.all([...notes.values()].map((note) => sink.recordRemoval(note)));
    await table.dropDay(day);
  }
  return old;
}

/** Notes that go with the day, though they explain what stays. */
async function notesToRepeat({ removalsOnDay }: TableRetentionOptions['table'], day: number): Promise<Removal[]> {
  const records = (await removalsOnDay(day)).map(parseRecord);
  return records.flatMap((record) => (typeof record !== 'string' && record.removed ? [record.removed] : []));
}

async function endsOf({ endOnDay }: TableRetentionOptions['table'], day: number): Promise<Removal[]> {
  const ends: Removal[] = [];
  for (let end = await endOnDay(day, undefined); end; end = await endOnDay(day, end.chain)) {
    ends.push({ cause: 'retention', chain: end.chain, through: end.sequence, hash: hashLine(end.line) });
  }
  return ends;
}

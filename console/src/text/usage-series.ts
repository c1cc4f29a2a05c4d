import type { Usage } from '../api/types.ts';

/** What a chart can show. */
export const MEASURES = ['operations', 'bytes', 'vaultCalls', 'leases'] as const;
export type Measure = (typeof MEASURES)[number];
export const isMeasure = (text: string): text is Measure => MEASURES.some((name) => name === text);

/** One day or month of a tenant. */
export interface Period extends Readonly<Record<Measure | 'failures', number>> {
  /** `2026-11-27`, or `2026-11` for a month. */
  readonly name: string;
}

export interface DateRange {
  /** Days as `<input type="date">` has them, in UTC; both are included. */
  readonly from: string;
  readonly until: string;
}

const DAY_MS = 86_400_000;
const MAX_DAYS = 366;
const DAY = /^\d{4}-\d\d-\d\d$/;

/** Returns the days from the first of the month to today, in UTC. */
export function thisMonth(now: number): DateRange {
  const until = dayOf(now);
  return { from: `${until.slice(0, 8)}01`, until };
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Returns the range as the API wants it, or what is wrong with it. */
export function instantsOf({ from, until }: DateRange): { readonly from: string; readonly to: string } | string {
  const [start, end] = [timeOf(from), timeOf(until)];
  if (start === undefined || end === undefined) return 'Choose both days';
  if (end < start) return 'The last day is before the first';
  if (end - start >= MAX_DAYS * DAY_MS) return `At most ${MAX_DAYS} days`;
  return { from: new Date(start).toISOString(), to: new Date(end + DAY_MS).toISOString() };
}

function timeOf(day: string): number | undefined {
  const time = DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** Returns a period for each day or month of the range, those without any usage included. */
export function periodsOf(usage: readonly Usage[], { from, until }: DateRange, by: 'day' | 'month'): readonly Period[] {
  const length = by === 'day' ? 10 : 7;
  const periods = new Map<string, Period>();
  for (let at = timeOf(from) ?? 0; at <= (timeOf(until) ?? -1); at += DAY_MS) {
    const name = dayOf(at).slice(0, length);
    periods.set(name, { name, operations: 0, failures: 0, bytes: 0, vaultCalls: 0, leases: 0 });
  }
  for (const row of usage) {
    const name = row.start?.slice(0, length) ?? '';
    const period = periods.get(name);
    if (period) periods.set(name, added(period, row));
  }
  return [...periods.values()];
}

const added = (period: Period, row: Usage): Period => ({
  name: period.name,
  operations: period.operations + row.operations,
  failures: period.failures + row.failures,
  bytes: period.bytes + row.bytes,
  vaultCalls: period.vaultCalls + row.vaultCalls,
  leases: period.leases + row.leases,
});

import { DAY_MS } from '../days.ts';
import { RepeatedRounds } from '../repeated-rounds.ts';
import type { UsageTable } from './usage-table.ts';

export interface UsageUpkeepOptions {
  readonly table: Pick<UsageTable, 'compact'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onFailure: (error: unknown) => void;
  readonly intervalMs?: number;
}

/** Days of which the hours are kept apart, before today. */
const HOURS_KEPT_DAYS = 8;
/** Thirteen months and some days: a year can be compared with the one before, a month at a time. */
const DAYS_KEPT = 400;
const INTERVAL_MS = 600_000;

/** Returns the time from which on hours are kept apart. */
export const hoursFrom = (now: number): number => now - (now % DAY_MS) - HOURS_KEPT_DAYS * DAY_MS;

/** Adds old hours up to days, and removes days that are past their time. Processes take turns. */
export function startUsageUpkeep({
  table,
  now,
  onFailure,
  intervalMs = INTERVAL_MS,
}: UsageUpkeepOptions): RepeatedRounds {
  const rounds: RepeatedRounds = new RepeatedRounds(
    async () => {
      try {
        const at = now();
        while (!rounds.isStopped && (await table.compact(hoursFrom(at), hoursFrom(at) - DAYS_KEPT * DAY_MS)));
      } catch (error) {
        onFailure(error);
      }
    },
    () => intervalMs,
  );
  return rounds;
}

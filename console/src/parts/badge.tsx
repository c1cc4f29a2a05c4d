import type { ReactNode } from 'react';

export type Mood = 'good' | 'bad' | 'caution' | 'plain';

export const Badge = ({ mood, children }: { mood: Mood; children: ReactNode }): ReactNode => (
  <span className={`badge ${mood}`}>{children}</span>
);

/** Returns the mood of a state, a verdict or an outcome of the API. */
export function moodOf(state: string | undefined): Mood {
  if (state === undefined) return 'plain';
  if (['active', 'passed', 'succeeded', 'allowed', 'held', 'finished', 'in-force'].includes(state)) return 'good';
  if (
    [
      'suspended',
      'skipped',
      'expired',
      'revoked',
      'running',
      'not-shown',
      'cancelled',
      'timed-out',
      'interrupted',
    ].includes(state)
  )
    return 'caution';
  return 'bad';
}

import { median } from '../test/support/statistics.ts';
import type { Answer } from './caller.ts';
import { latencyOf } from './load.ts';
import { NEIGHBOUR } from './tenants.ts';
import type { Trial } from './trial.ts';

/**
 * The effect of all faults of others on a neighbouring tenant, compared with the noise of the same
 * run.
 */
export interface Neighbours {
  /** p99 of a window with a fault ÷ p99 of a window without, medians of both. */
  readonly ratio: number;
  /** 90th percentile ÷ median of the windows without a fault: this machine's own variation. */
  readonly noise: number;
  readonly holds: boolean;
  readonly text: string;
}

const WINDOW_MS = 1_500;
/** In addition to the noise. */
const MOST = 1.05;

/** Returns whether a fault concerns one customer only: those of the machine affect everyone. */
const isNextDoor = ({ scenario }: Trial): boolean => /^(vault|Entra|home vault)/.test(scenario.name);

export function neighboursUnharmed(trials: readonly Trial[]): Neighbours {
  const nextDoor = trials.filter(isNextDoor);
  const calm = nextDoor.flatMap((trial) => windowsOf(trial, trial.phases.before, trial.phases.begun));
  const inTrouble = nextDoor.flatMap((trial) => windowsOf(trial, trial.phases.begun, trial.phases.ended));
  if (calm.length === 0) return { ratio: 1, noise: 1, holds: true, text: 'Neighbours: nothing of theirs was tried' };
  const ratio = median(inTrouble) / median(calm);
  const noise = (calm.toSorted((a, b) => a - b)[Math.floor(calm.length * 0.9)] ?? Number.NaN) / median(calm);
  const holds = ratio <= MOST * noise;
  const text = `Neighbours: p99 of a warm call in windows of ${WINDOW_MS / 1_000} s, median ${median(calm).toFixed(1)} ms of ${calm.length} without trouble, ${median(inTrouble).toFixed(1)} ms of ${inTrouble.length} in it: ratio ${ratio.toFixed(2)}; the worst tenth without trouble is ${noise.toFixed(2)} of its median. Bound ${MOST} × ${noise.toFixed(2)}: ${holds ? 'holds' : 'BROKEN'}`;
  return { ratio, noise, holds, text };
}

export const neighbourAnswers = ({ answers }: Trial, from: number, to: number): Answer[] =>
  answers.filter(({ group, at }) => group === NEIGHBOUR && at >= from && at < to);

function windowsOf(trial: Trial, from: number, to: number): number[] {
  const p99s: number[] = [];
  for (let at = from; at + WINDOW_MS <= to; at += WINDOW_MS) {
    p99s.push(latencyOf(neighbourAnswers(trial, at, at + WINDOW_MS), 0.99));
  }
  return p99s;
}

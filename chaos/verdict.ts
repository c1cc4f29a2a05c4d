import { type Answer, NO_PROBLEM, OK, WRONG_PLAINTEXT } from './caller.ts';
import { countByCode, failuresOf, type Load } from './load.ts';
import type { Scenario } from './scenario.ts';

/** Times of `performance.now()` at which the phases of a trial begin. */
export interface Phases {
  readonly before: number;
  readonly begun: number;
  readonly ended: number;
  readonly recovered: number;
  /** The end of the last caller. */
  readonly after: number;
}

/**
 * Longest duration of a failing answer: a deadline of 2 s each for a sign-in and a call, on a busy
 * machine.
 */
const SLOWEST_FAILURE_MS = 8_000;
const LOST = new Set(['ECONNRESET', 'EPIPE', 'ECONNREFUSED']);
const isTransient = (code: string): boolean => !LOST.has(code);

/** Returns the forbidden effects on callers; empty for a success. */
export function verdictOf(scenario: Scenario, load: Load, { begun, recovered, after }: Phases): string[] {
  const wrong = load.answers.filter(({ code }) => code === WRONG_PLAINTEXT || code === NO_PROBLEM);
  const outside = failuresOf([...load.between(0, begun), ...load.between(recovered, after)]).filter(
    // Sent before it began, and in progress when it did.
    ({ at, ms }) => at + ms < begun || at >= recovered,
  );
  const during = load.answers.filter(({ at, ms }) => at + ms >= begun && at < recovered);
  const failures = failuresOf(during);
  const lost = failures.filter(({ code }) => LOST.has(code));
  const mute = failures.filter(({ code, hasRetryAfter }) => isTransient(code) && !hasRetryAfter);
  const slow = failures.filter(({ ms }) => ms > SLOWEST_FAILURE_MS);
  const { seen, mayLose = 0 } = scenario;
  const groups = new Set(load.answers.map(({ group }) => group));
  return [
    ...complain('answers that may never be', wrong),
    ...complain('failures with no trouble', outside),
    ...[...groups].flatMap((group) => {
      const codes = seen[group] ?? [];
      const own = failures.filter((answer) => answer.group === group && isTransient(answer.code));
      const strange = own.filter(({ code }) => !codes.includes(code));
      const isMissing = codes.length > 0 && own.length === strange.length;
      return [
        ...complain(`${group}: failures that it should not see`, strange),
        ...(isMissing ? [`${group}: nothing failed, so nothing was tried`] : []),
      ];
    }),
    ...(lost.length > mayLose ? complain(`${lost.length} lost connections, at most ${mayLose} expected`, lost) : []),
    ...complain('failures without Retry-After', mute),
    ...complain('failures that took too long', slow),
    ...(load.answers.some(({ code }) => code === OK) ? [] : ['nothing succeeded']),
  ];
}

function complain(what: string, answers: readonly Answer[]): string[] {
  if (answers.length === 0) return [];
  return [`${what}: ${JSON.stringify(countByCode(answers))}, the first ${JSON.stringify(answers[0])}`];
}

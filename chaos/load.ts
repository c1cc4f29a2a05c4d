import { percentile } from '../test/support/statistics.ts';
import { type Answer, Caller, OK } from './caller.ts';
import type { Group } from './groups.ts';

/** Callers of all groups, and all of their answers. */
export class Load {
  readonly answers: Answer[] = [];
  readonly #token: string;
  readonly #urlOf: () => string;
  readonly #callers: Caller[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #stopped = new AbortController();

  /** `urlOf` is called before each request. */
  constructor(token: string, urlOf: () => string) {
    this.#token = token;
    this.#urlOf = urlOf;
  }

  add(group: Group): void {
    for (let n = 0; n < group.callers; n += 1) {
      const caller = new Caller(group, this.#urlOf, this.#token, (answer) => this.answers.push(answer));
      this.#callers.push(caller);
      this.#running.push(caller.run(this.#stopped.signal));
    }
  }

  /** Returns the answers of one group, or of all, sent in this span of `performance.now()`. */
  between(from: number, to: number, group?: string): Answer[] {
    return this.answers.filter(
      (answer) => answer.at >= from && answer.at < to && (group === undefined || answer.group === group),
    );
  }

  /** Ends the callers, then makes each open a sample of all messages that it ever sealed. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
    await Promise.all(this.#callers.map((caller) => caller.reopen()));
    for (const caller of this.#callers) caller.close();
  }
}

export const failuresOf = (answers: readonly Answer[]): Answer[] => answers.filter(({ code }) => code !== OK);

/** Returns the milliseconds within which this part (0 to 1) of the successes was answered. */
export const latencyOf = (answers: readonly Answer[], part: number): number =>
  percentile(
    answers.filter(({ code }) => code === OK).map(({ ms }) => ms),
    part,
  );

export function countByCode(answers: readonly Answer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { code } of answers) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

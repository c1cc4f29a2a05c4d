/** The code of a success, as a label. */
export const NO_CODE = 'none';

/**
 * Counts the results of requests of one kind. It uses plain numbers, because it is on the path of
 * each request.
 */
export class Outcomes {
  #succeeded = 0;
  readonly #failed = new Map<string, number>();

  add(code: string | undefined): void {
    if (code === undefined) this.#succeeded += 1;
    else this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1);
  }

  /** Returns the counts by problem code, successes first. */
  *entries(): Generator<readonly [code: string, count: number]> {
    yield [NO_CODE, this.#succeeded];
    yield* this.#failed;
  }
}

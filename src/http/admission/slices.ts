/**
 * Iterations of the event loop that go to new connections before the next slice. The loop accepts
 * one connection per iteration, so many iterations must be short while connections arrive.
 */
const MAX_GIVEN_WAY = 32;

/**
 * Divides long work on the main thread among iterations of the event loop: one slice of all such
 * work per iteration, whatever the number of requests that compute. Between two slices the loop
 * serves everything that has arrived.
 */
export class Slices {
  readonly #waiting = new Set<() => void>();
  #isDue: boolean = false;
  #hasArrivals: boolean = false;
  #givenWay = 0;

  /** Returns whether work waits for its next slice, so that the main thread has no time to spare. */
  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  /** Resolves when the next slice of this work may begin; works take turns. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      this.#await();
    });
  }

  /** Notes that a connection was accepted: more may wait, and go before the next slice. */
  connectionAccepted(): void {
    this.#hasArrivals = true;
  }

  #await(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#isDue = false;
    const givesWay = this.#hasArrivals && this.#givenWay < MAX_GIVEN_WAY;
    this.#hasArrivals = false;
    this.#givenWay = givesWay ? this.#givenWay + 1 : 0;
    if (!givesWay) this.#beginOne();
    if (this.#waiting.size > 0) this.#await();
  }

  #beginOne(): void {
    const [begin] = this.#waiting;
    if (!begin) return;
    this.#waiting.delete(begin);
    begin();
  }
}

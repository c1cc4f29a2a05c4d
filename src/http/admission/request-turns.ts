import { FairQueue } from '../../lib/fair-queue.ts';

/**
 * Requests that begin in one iteration of the event loop. Node hands over all requests that have
 * arrived, a thousand at once after a restart, before it does anything else.
 */
const PER_ITERATION = 64;
/**
 * The part of cold tenants. A warm request takes some iterations, such as one for its audit record,
 * and each is as long as the requests that begin in it.
 */
const OF_COLD_TENANTS = 8;
/** Returns whether a tenant's data keys are in memory, so that its requests need no vault. */
export type IsWarm = (tenantId: string) => boolean;

/**
 * Spreads requests that arrive at once over iterations of the event loop. Those of warm tenants
 * begin first, so that a crowd of first calls does not delay them; tenants take turns.
 */
export class RequestTurns {
  readonly #maxWaiting: number;
  readonly #isWarm: IsWarm;
  readonly #warm = new FairQueue<() => void>();
  readonly #cold = new FairQueue<() => void>();
  #begun = 0;
  #isTurnDue: boolean = false;

  constructor(maxWaiting: number, isWarm: IsWarm) {
    this.#maxWaiting = maxWaiting;
    this.#isWarm = isWarm;
  }

  /** Returns whether a request may begin at once, and counts it if so. */
  takesAtOnce(): boolean {
    return this.#waiting === 0 && this.#take();
  }

  /**
   * Begins a request at once or in its turn; a request without a tenant counts as warm. Returns
   * false if too many wait.
   */
  inTurn(tenantId: string | undefined, begin: () => void): boolean {
    const isWarm = tenantId === undefined || this.#isWarm(tenantId);
    if (isWarm && this.#warm.size === 0 && this.#take()) {
      begin();
      return true;
    }
    if (this.#waiting >= this.#maxWaiting) return false;
    (isWarm ? this.#warm : this.#cold).push(tenantId ?? '', begin);
    this.#awaitTurn();
    return true;
  }

  get #waiting(): number {
    return this.#warm.size + this.#cold.size;
  }

  #take(): boolean {
    if (this.#begun >= PER_ITERATION) return false;
    this.#begun += 1;
    this.#awaitTurn();
    return true;
  }

  #awaitTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#isTurnDue = false;
    this.#begun = 0;
    if (this.#waiting > 0) this.#awaitTurn();
    this.#beginSome(this.#warm, PER_ITERATION - Math.min(OF_COLD_TENANTS, this.#cold.size));
    this.#beginSome(this.#cold, OF_COLD_TENANTS);
  }

  #beginSome(queue: FairQueue<() => void>, most: number): void {
    for (let n = 0; n < most; n += 1) {
      const begin = queue.shift();
      if (!begin) return;
      this.#begun += 1;
      begin();
    }
  }
}

import { ServiceError } from '../../errors.ts';
import type { VaultUse } from '../../keyring/key-wrapper.ts';
import type { Clock } from '../../lib/clock.ts';
import { FairQueue } from '../../lib/fair-queue.ts';
import { readForeignError } from '../foreign-error.ts';
import { BackOff } from './back-off.ts';
import { Breaker, type Outcome } from './breaker.ts';
import { VaultBudget } from './vault-budget.ts';
import { type Rationing, refusedByUs } from './vault-rationing.ts';

/** The limits of one process's calls to one vault, whichever tenants share it. */
export interface VaultLimits {
  /** Concurrent calls. */
  readonly maxConcurrent: number;
  readonly budgetPerSecond: number;
  readonly budgetBurst: number;
  /** Whether calls count by the quota of their key; otherwise each counts 1. */
  readonly isWeighted: boolean;
}

/** Called with the effects of the limits, for logs and metrics; by the vault's host. */
export interface VaultObserver {
  onBreaker(host: string, isOpen: boolean): void;
  /** Called for a call that was not made. */
  onRationed(host: string, rationing: Rationing): void;
}

export interface VaultGateOptions {
  readonly host: string;
  readonly limits: VaultLimits;
  readonly observer: VaultObserver;
  readonly clock: Clock;
}

/** The origin and the purpose of a vault call. */
export interface VaultCaller {
  readonly tenantId: string;
  readonly use: VaultUse;
  /** Cost within the vault's budget, from `costOf`. */
  readonly cost: number;
}

/** Permission to make one call: it has its place and its token. */
interface Turn {
  /** Whether it is the trial call that shows for all whether the vault answers again. */
  readonly isProbe: boolean;
}

interface Waiting {
  readonly caller: VaultCaller;
  readonly start: (turn: Turn) => void;
  readonly fail: (error: ServiceError) => void;
}

/** They take turns: a flood of one kind delays another by one call at most. */
const USES: readonly VaultUse[] = ['upkeep', 'caller', 'ciphertext'];
/** A call that would wait longer for the budget or for the end of a back-off is refused at once. */
const LONGEST_WAIT_MS = 1_000;
const MAX_WAITING = 256;
/** Of the waiting calls, for one tenant. */
const MAX_WAITING_OF_TENANT = MAX_WAITING / 2;

/**
 * Controls access to one vault. It limits concurrent calls, keeps a budget below the vault's quota,
 * pauses after its 429, and makes no calls while the vault does not answer. Other calls wait
 * briefly, in a bounded queue and in turns; a call that would wait in vain is refused at once.
 */
export class VaultGate {
  readonly #options: VaultGateOptions;
  readonly #breaker: Breaker;
  readonly #backOff = new BackOff();
  readonly #budget: VaultBudget;
  readonly #waiting: Readonly<Record<VaultUse, FairQueue<Waiting>>> = {
    upkeep: new FairQueue(),
    caller: new FairQueue(),
    ciphertext: new FairQueue(),
  };
  #underWay = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: VaultGateOptions) {
    const { host, limits, observer } = options;
    this.#options = options;
    this.#breaker = new Breaker((isOpen) => observer.onBreaker(host, isOpen));
    this.#budget = new VaultBudget(limits.budgetPerSecond, limits.budgetBurst);
  }

  /** Returns whether calls are refused because the vault recently failed to answer. */
  get isBreakerOpen(): boolean {
    return this.#breaker.isOpen;
  }

  /**
   * Makes one call; `signal` ends both the call and its wait.
   * @throws ServiceError `vault-throttled` (reasons `budget`, `back-off`), `vault-unavailable`
   * (reasons `breaker`, `busy`); the call's error
   */
  async run<T>(caller: VaultCaller, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    const { isProbe } = await this.#turn(caller, signal);
    const { clock } = this.#options;
    const startedAt = clock.monotonicMs();
    let isEnded = false;
    const end = (outcome: Outcome) => {
      if (isEnded) return;
      isEnded = true;
      signal.removeEventListener('abort', onAbort);
      this.#underWay -= 1;
      if (outcome === 'answered') this.#backOff.served(startedAt);
      this.#breaker.end(outcome, isProbe, clock.monotonicMs());
      this.#serve();
    };
    // Some waits inside the SDK ignore their signal: an abandoned call holds no place.
    const onAbort = () => end('outage');
    signal.addEventListener('abort', onAbort);
    try {
      if (signal.aborted) throw signal.reason;
      const answer = await call();
      end('answered');
      return answer;
    } catch (error) {
      const failure = isThrottled(error) ? this.#throttled(error, startedAt) : error;
      end(outcomeOf(error));
      throw failure;
    }
  }

  async #turn(caller: VaultCaller, signal: AbortSignal): Promise<Turn> {
    const refusal = this.#refusalOf(caller);
    if (refusal) throw refusal;
    const isFirst = this.#waiting[caller.use].size === 0;
    return isFirst && this.#mayStart(caller.use) ? this.#start(caller) : this.#wait(caller, signal);
  }

  #wait(caller: VaultCaller, signal: AbortSignal): Promise<Turn> {
    return new Promise((resolve, reject) => {
      const queue = this.#waiting[caller.use];
      const onAbort = () => {
        queue.remove(caller.tenantId, waiting);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        caller,
        start: (turn) => {
          signal.removeEventListener('abort', onAbort);
          resolve(turn);
        },
        fail: (error) => {
          signal.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal.addEventListener('abort', onAbort);
      queue.push(caller.tenantId, waiting);
      this.#wakeInTime();
    });
  }

  /** Returns the reason that a call of this kind would wait in vain or for too long. */
  #refusalOf({ tenantId, use, cost }: VaultCaller): ServiceError | undefined {
    const now = this.#options.clock.monotonicMs();
    const untilCall = this.#breaker.msUntilCall(now);
    if (untilCall > 0) return this.#refuse('breaker', untilCall);
    const backOffMs = this.#backOff.msLeft(now);
    if (backOffMs > LONGEST_WAIT_MS) return this.#refuse('back-off', backOffMs);
    const queue = this.#waiting[use];
    const own = queue.sizeOf(tenantId);
    const ahead = (own + 1) * (queue.owners + (own === 0 ? 1 : 0)); // calls of other tenants take turns with ours
    const budgetMs = this.#budget.msUntil(use, now, (ahead - 1) * this.#weighted(cost) + 1);
    if (budgetMs > LONGEST_WAIT_MS) return this.#refuse('budget', budgetMs);
    const waiting = USES.reduce((sum, each) => sum + this.#waiting[each].size, 0);
    const ofTenant = USES.reduce((sum, each) => sum + this.#waiting[each].sizeOf(tenantId), 0);
    const isFull = waiting >= MAX_WAITING || ofTenant >= MAX_WAITING_OF_TENANT;
    return isFull ? this.#refuse(this.#hasPlace ? 'budget' : 'busy', LONGEST_WAIT_MS) : undefined;
  }

  #refuse(rationing: Rationing, waitMs: number): ServiceError {
    const { host, observer } = this.#options;
    observer.onRationed(host, rationing);
    return refusedByUs(rationing, waitMs);
  }

  get #hasPlace(): boolean {
    return this.#underWay < this.#options.limits.maxConcurrent;
  }

  #mayStart(use: VaultUse): boolean {
    return this.#hasPlace && this.#msUntilNext(use, this.#options.clock.monotonicMs()) === 0;
  }

  #start({ use, cost }: VaultCaller): Turn {
    this.#budget.spend(use, this.#options.clock.monotonicMs(), this.#weighted(cost));
    this.#underWay += 1;
    return { isProbe: this.#breaker.begin() };
  }

  #weighted(cost: number): number {
    return this.#options.limits.isWeighted ? cost : 1;
  }

  #msUntilNext(use: VaultUse, now: number): number {
    return Math.max(this.#breaker.msUntilCall(now), this.#backOff.msLeft(now), this.#budget.msUntil(use, now, 1));
  }

  /**
   * Starts the calls that may start, one of each kind in turn, and refuses those for which waiting
   * has become useless.
   */
  #serve(): void {
    const now = this.#options.clock.monotonicMs();
    const untilCall = this.#breaker.msUntilCall(now);
    const backOffMs = this.#backOff.msLeft(now);
    if (untilCall > 0) this.#refuseAll('breaker', untilCall);
    else if (backOffMs > LONGEST_WAIT_MS) this.#refuseAll('back-off', backOffMs);
    while (USES.filter((use) => this.#startOne(use)).length > 0); // until none of them can start
    this.#wakeInTime();
  }

  #startOne(use: VaultUse): boolean {
    const waiting = this.#mayStart(use) ? this.#waiting[use].shift() : undefined;
    waiting?.start(this.#start(waiting.caller));
    return waiting !== undefined;
  }

  #refuseAll(rationing: Rationing, waitMs: number): void {
    for (const use of USES) {
      const queue = this.#waiting[use];
      for (let waiting = queue.shift(); waiting; waiting = queue.shift()) waiting.fail(this.#refuse(rationing, waitMs));
    }
  }

  /** With all places taken, the end of a call wakes the queue; otherwise the clock does. */
  #wakeInTime(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waited = USES.filter((use) => this.#waiting[use].size > 0);
    if (waited.length === 0 || !this.#hasPlace) return;
    const now = this.#options.clock.monotonicMs();
    const waitMs = Math.min(...waited.map((use) => this.#msUntilNext(use, now)));
    this.#timer = setTimeout(() => this.#serve(), Math.ceil(waitMs));
  }

  #throttled(error: ServiceError, startedAt: number): ServiceError {
    const now = this.#options.clock.monotonicMs();
    const { retryAfter } = readForeignError(error.cause);
    this.#backOff.throttled(startedAt, retryAfter, now);
    if (retryAfter !== undefined) return error;
    return error.with({ retryAfter: Math.max(1, Math.ceil(this.#backOff.msLeft(now) / 1_000)) });
  }
}

const isThrottled = (error: unknown): error is ServiceError =>
  error instanceof ServiceError && error.code === 'vault-throttled';

/**
 * Returns the outcome. A sign-in that fails says nothing about the vault; a refusal by the vault,
 * even a 429, is an answer.
 */
function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof ServiceError)) return 'unknown';
  if (error.code === 'vault-unavailable') return 'outage';
  const isAnswer = error.scope === 'key' || ANSWERS.has(error.code);
  return isAnswer ? 'answered' : 'unknown';
}

const ANSWERS: ReadonlySet<string> = new Set(['vault-throttled', 'undecryptable', 'malformed-request']);

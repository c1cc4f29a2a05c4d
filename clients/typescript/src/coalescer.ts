import type { Deadline } from './deadline.ts';
import { isProblem, problemError, VaultspanError } from './errors.ts';
import { waitBefore } from './retry.ts';

/** How calls travel together. */
export interface BatchOptions {
  /** Items of one request: 1–1,000, which is the service's limit. Default 1,000. */
  readonly maxItems?: number;
  /**
   * Bytes of plaintext in one request. Default 1 MiB, the service's default for `http.maxPlaintextBytes`. Where the
   * service, or a proxy in front of it, accepts less, the client finds that out and remembers it.
   */
  readonly maxBytes?: number;
  /** How long a call waits for others: 0 (default) for those of the same turn of the event loop, at most 1,000. */
  readonly maxWaitMs?: number;
}

export interface CoalescerParts<Item, Result> {
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  /** Whether items are sent again where that is safe and told so; default true. */
  readonly isTriedAgain?: boolean;
  /** Sends one item by the single call, several by the batch. Returns as many results, in their order. */
  readonly send: (items: readonly Item[], signal: AbortSignal) => Promise<readonly (Result | { error: unknown })[]>;
  /** Called when what was gathered is on its way: later calls are another coalescer's. */
  readonly onSent: () => void;
  /** Called when so many bytes were too large for one request. */
  readonly onTooLarge?: (bytes: number) => void;
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly bytes: number;
  readonly deadline: Deadline;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
  isSettled: boolean;
  /** Tells the request that carries the item that nobody waits for it any more. */
  leave?: (() => void) | undefined;
}

/**
 * Joins the calls of one turn of the event loop into batches. A failing item rejects its own promise only; items that may
 * be tried again travel together again.
 */
export class Coalescer<Item, Result> {
  readonly #parts: CoalescerParts<Item, Result>;
  readonly #entries: Entry<Item, Result>[] = [];

  constructor(parts: CoalescerParts<Item, Result>) {
    this.#parts = parts;
  }

  /**
   * Returns the result of an item. `bytes` is what it adds to a request.
   * @throws VaultspanError why it has none
   */
  add(item: Item, bytes: number, deadline: Deadline): Promise<Result> {
    return new Promise((resolve, reject) => {
      const entry: Entry<Item, Result> = { item, bytes, deadline, resolve, reject, isSettled: false };
      deadline.whenOver((reason) => {
        settle(entry, () => reject(reason));
        entry.leave?.();
      });
      if (entry.isSettled) return;
      this.#entries.push(entry);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#entries.length > 1) return;
    const { maxWaitMs } = this.#parts;
    if (maxWaitMs > 0) setTimeout(() => this.#flush(), maxWaitMs);
    else if (typeof setImmediate === 'function') setImmediate(() => this.#flush());
    else setTimeout(() => this.#flush(), 0);
  }

  #flush(): void {
    this.#parts.onSent();
    for (const batch of this.#batches(this.#entries)) void this.#run(batch, 1);
  }

  #batches(entries: readonly Entry<Item, Result>[]): Entry<Item, Result>[][] {
    const { maxItems, maxBytes } = this.#parts;
    const batches: Entry<Item, Result>[][] = [];
    let last: Entry<Item, Result>[] | undefined;
    let bytes = 0;
    for (const entry of entries) {
      if (entry.isSettled) continue;
      if (last === undefined || last.length === maxItems || bytes + entry.bytes > maxBytes) {
        last = [];
        batches.push(last);
        bytes = 0;
      }
      last.push(entry);
      bytes += entry.bytes;
    }
    return batches;
  }

  async #run(entries: readonly Entry<Item, Result>[], tries: number): Promise<void> {
    const errors = await this.#sendAll(entries);
    if (entries.length > 1 && errors.every(isTooLarge)) {
      // The service's limits may be lower than the client's: half as many at a time.
      this.#parts.onTooLarge?.(entries.reduce((sum, { bytes }) => sum + bytes, 0));
      const half = Math.ceil(entries.length / 2);
      await Promise.all([this.#runOpen(entries.slice(0, half), tries), this.#runOpen(entries.slice(half), tries)]);
      return;
    }
    let longestMs = 0;
    const again: Entry<Item, Result>[] = [];
    errors.forEach((error, at) => {
      const entry = entries[at];
      if (error === undefined || entry === undefined || entry.isSettled) return;
      entry.deadline.failed(error);
      const waitMs = this.#parts.isTriedAgain === false ? undefined : waitBefore(error, tries);
      if (waitMs === undefined || waitMs >= entry.deadline.left()) settle(entry, () => entry.reject(error));
      else {
        longestMs = Math.max(longestMs, waitMs);
        again.push(entry);
      }
    });
    if (again.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, longestMs));
    await this.#runOpen(again, tries + 1);
  }

  /** Sends those of the entries that somebody still waits for. */
  async #runOpen(entries: readonly Entry<Item, Result>[], tries: number): Promise<void> {
    const open = entries.filter((entry) => !entry.isSettled);
    if (open.length > 0) await this.#run(open, tries);
  }

  /** Settles the entries that have a result. Returns the error of each other one. */
  async #sendAll(entries: readonly Entry<Item, Result>[]): Promise<unknown[]> {
    const controller = new AbortController();
    let waiting = entries.length;
    const leave = () => {
      waiting -= 1;
      if (waiting === 0) controller.abort();
    };
    for (const entry of entries) entry.leave = leave;
    try {
      const results = await this.#parts.send(
        entries.map(({ item }) => item),
        controller.signal,
      );
      return entries.map((entry, at) => {
        const result = results[at] as Result;
        if (hasError(result)) return isProblem(result.error) ? problemError(result.error) : result.error;
        settle(entry, () => entry.resolve(result));
        return undefined;
      });
    } catch (error) {
      return entries.map(() => error);
    } finally {
      for (const entry of entries) entry.leave = undefined;
    }
  }
}

function hasError<Result>(result: Result | { error: unknown }): result is { error: unknown } {
  return typeof result === 'object' && result !== null && 'error' in result && result.error !== undefined;
}

/** The service says 413 `body-too-large`; a proxy in front of it has a limit and a page of its own. */
function isTooLarge(error: unknown): boolean {
  return error instanceof VaultspanError && error.status === 413;
}

function settle(entry: { isSettled: boolean }, act: () => void): void {
  if (entry.isSettled) return;
  entry.isSettled = true;
  act();
}

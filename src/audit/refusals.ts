import { defined } from '../lib/defined.ts';
import type { AuditEvent } from './event.ts';
import type { AuditSink } from './sink.ts';

export interface RefusalCounterOptions {
  readonly sink: Pick<AuditSink, 'record'>;
  /** How long refusals are collected, counted from the first of them; default 10 s. */
  readonly intervalMs?: number;
  /**
   * Most kinds (code, reason, principal) counted separately. All others are counted per code, with
   * the reason `other`. Default 1,000.
   */
  readonly maxPairs?: number;
  /** Called when an interval's refusals could not be recorded; they are kept for the next one. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Collects refusals that cost the caller nothing, so that they can't fill the disk. These are
 * refusals before the caller is known, for a missing role, and of requests that are shed. It makes
 * one record per code, reason, principal (if it is known) and interval. The record has the
 * operation and the request id of the first refusal, and no other detail of any.
 */
export class RefusalCounter {
  readonly #sink: Pick<AuditSink, 'record'>;
  readonly #intervalMs: number;
  readonly #maxPairs: number;
  readonly #onFailure: (error: unknown) => void;
  #counted = new Map<string, AuditEvent>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed: boolean = false;

  constructor({ sink, intervalMs = 10_000, maxPairs = 1000, onFailure = () => undefined }: RefusalCounterOptions) {
    this.#sink = sink;
    this.#intervalMs = intervalMs;
    this.#maxPairs = maxPairs;
    this.#onFailure = onFailure;
  }

  /** Counts a refusal. Those after `close` are lost. */
  count(event: AuditEvent): void {
    if (!this.#add(event)) {
      const { principal, ...unnamed } = event;
      this.#add({ ...unnamed, reason: 'other' });
    }
    if (!this.#isClosed) this.#timer ??= setTimeout(() => this.#flushInTime(), this.#intervalMs).unref();
  }

  /** Records the refusals counted so far. Close the sink after it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#flush();
  }

  /** Returns false when the table is full; codes are a closed set, so `other` always has room. */
  #add({ operation, outcome, code, reason, principal, requestId, count = 1 }: AuditEvent): boolean {
    const pair = `${code}/${reason}/${principal}`;
    const before = this.#counted.get(pair);
    if (before !== undefined) {
      this.#counted.set(pair, { ...before, count: (before.count ?? 1) + count });
      return true;
    }
    if (this.#counted.size >= this.#maxPairs && reason !== 'other') return false;
    const counted = count === 1 ? undefined : count;
    this.#counted.set(pair, defined({ operation, outcome, code, reason, principal, requestId, count: counted }));
    return true;
  }

  #flushInTime(): void {
    this.#timer = undefined;
    this.#flush().catch(this.#onFailure);
  }

  async #flush(): Promise<void> {
    const events = [...this.#counted.values()];
    this.#counted = new Map();
    await Promise.all(events.map((event) => this.#record(event)));
  }

  async #record(event: AuditEvent): Promise<void> {
    try {
      await this.#sink.record(event);
    } catch (error) {
      this.count(event);
      throw error;
    }
  }
}

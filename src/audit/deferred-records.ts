import type { AuditEvent } from './event.ts';
import type { AuditSink } from './sink.ts';

export interface DeferredRecordsOptions {
  readonly sink: Pick<AuditSink, 'record'>;
  /** The pause before the next attempt while records are refused; default 1 s. */
  readonly retryMs?: number;
  /** Most pending records. Further ones are counted without their tenant; default 10,000. */
  readonly maxPending?: number;
  /** Called when records begin to be refused. */
  readonly onRefused: (error: unknown) => void;
}

/**
 * Records events whose effect and answer must not wait for the audit log, because they only take
 * access away. While the log refuses records, one is pending for each operation and tenant, with a
 * count and the request id of the first. A killed process loses those that are pending.
 */
export class DeferredRecords {
  readonly #sink: Pick<AuditSink, 'record'>;
  readonly #retryMs: number;
  readonly #maxPending: number;
  readonly #onRefused: (error: unknown) => void;
  readonly #pending = new Map<string, AuditEvent>();
  #recording: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ sink, retryMs = 1_000, maxPending = 10_000, onRefused }: DeferredRecordsOptions) {
    this.#sink = sink;
    this.#retryMs = retryMs;
    this.#maxPending = maxPending;
    this.#onRefused = onRefused;
  }

  /** Records the event at once, or when the log accepts records again. */
  add(event: AuditEvent): void {
    this.#keep(event);
    if (this.#timer === undefined) this.#record();
  }

  /** Makes a last attempt. Close the sink after it. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#recording;
    this.#record();
    await this.#recording;
    clearTimeout(this.#timer);
  }

  #keep(event: AuditEvent): void {
    const key = `${event.operation}/${event.tenantId}`;
    const before = this.#pending.get(key);
    if (before) this.#pending.set(key, { ...before, count: countOf(before) + countOf(event) });
    else if (this.#pending.size < this.#maxPending || event.tenantId === undefined) this.#pending.set(key, event);
    else this.#keep({ ...event, tenantId: undefined });
  }

  #record(): void {
    this.#recording ??= this.#recordAll().finally(() => {
      this.#recording = undefined;
    });
  }

  async #recordAll(): Promise<void> {
    for (const [key, event] of this.#pending) {
      this.#pending.delete(key); // another one of the same key may be added meanwhile
      try {
        await this.#sink.record(event);
      } catch (error) {
        const since = this.#pending.get(key);
        this.#pending.set(key, since ? { ...event, count: countOf(event) + countOf(since) } : event);
        this.#retryLater(error);
        return;
      }
    }
    this.#timer = undefined;
  }

  #retryLater(error: unknown): void {
    if (this.#timer === undefined) this.#onRefused(error);
    this.#timer = setTimeout(() => this.#record(), this.#retryMs).unref();
  }
}

const countOf = ({ count = 1 }: AuditEvent): number => count;

import { setTimeout as sleep } from 'node:timers/promises';
import type { MetricsSnapshot } from '../../telemetry/metrics.ts';
import type { ProcessEnd, StartedProcess } from '../support/command.ts';
import type { ParentMessage, ProcessMessage } from './messages.ts';

/** A scrape waits at most this long for one process; Prometheus' own limit is 10 s. */
const METRICS_MS = 4_000;

/** A process of the service, as its parent sees it. */
export class Child {
  readonly #process: StartedProcess;
  readonly #waiting = new Map<number, (metrics: MetricsSnapshot | undefined) => void>();
  #questions = 0;
  #servesSince: number | undefined;
  #lastMetrics: MetricsSnapshot | undefined;
  #state: 'starting' | 'serving' | 'ended' = 'starting';
  /** Resolves with the address once the process serves. Never rejects. */
  readonly ready: Promise<string>;
  readonly ended: Promise<ProcessEnd>;

  constructor(started: StartedProcess) {
    this.#process = started;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ready = promise;
    started.onMessage((received) => {
      const message = received as ProcessMessage; // the process runs the same program
      if (message.type === 'ready') {
        this.#state = 'serving';
        this.#servesSince = performance.now();
        resolve(message.url);
      } else if (message.type === 'last-metrics') this.#lastMetrics = message.metrics;
      else this.#answer(message.id, message.metrics);
    });
    this.ended = started.ended.then((end) => {
      this.#state = 'ended';
      for (const id of this.#waiting.keys()) this.#answer(id, undefined);
      return end;
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isServing(): boolean {
    return this.#state === 'serving';
  }

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /** How long it has served; 0 before. */
  get servedMs(): number {
    return this.#servesSince === undefined ? 0 : performance.now() - this.#servesSince;
  }

  /** The values after the last request; undefined for a process that was killed. */
  get lastMetrics(): MetricsSnapshot | undefined {
    return this.#lastMetrics;
  }

  /** Returns whether the process serves; false if it ended first. */
  async hasStarted(): Promise<boolean> {
    await Promise.race([this.ready, this.ended]);
    return this.isServing;
  }

  order(type: 'leave' | 'stop' | 'hurry'): void {
    this.#send({ type });
  }

  kill(): void {
    this.#process.kill();
  }

  /** Kills the process unless it ends within the limit. Resolves with its end. */
  async endWithin(limitMs: number): Promise<ProcessEnd> {
    const over = new AbortController();
    sleep(limitMs, undefined, { signal: over.signal }).then(
      () => this.kill(),
      () => undefined,
    );
    const end = await this.ended;
    over.abort();
    return end;
  }

  async readMetrics(): Promise<MetricsSnapshot | undefined> {
    if (!this.isServing) return undefined;
    this.#questions += 1;
    const id = this.#questions;
    const { promise, resolve } = Promise.withResolvers<MetricsSnapshot | undefined>();
    this.#waiting.set(id, resolve);
    const timer = setTimeout(() => this.#answer(id, undefined), METRICS_MS);
    this.#send({ type: 'read-metrics', id });
    const metrics = await promise;
    clearTimeout(timer);
    return metrics;
  }

  #answer(id: number, metrics: MetricsSnapshot | undefined): void {
    this.#waiting.get(id)?.(metrics);
    this.#waiting.delete(id);
  }

  #send(message: ParentMessage): void {
    this.#process.send(message);
  }
}

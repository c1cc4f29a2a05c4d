import { setTimeout as sleep } from 'node:timers/promises';
import { type Aggregator, Counter, Gauge, type Registry } from 'prom-client';

/** The source of a value may hang; Prometheus' scrape times out after 10 s. */
const MAX_WAIT_MS = 1_000;

interface Described {
  readonly name: string;
  readonly help: string;
  /** How values of several processes become one. Default: their sum. */
  readonly aggregator?: Aggregator;
}

/** Registers a counter that other code counts. */
export function readCounter(registry: Registry, described: Described, read: () => number): void {
  new Counter({
    ...described,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/** Registers the same with one label. */
export function readCounters<L extends string>(
  registry: Registry,
  described: Described,
  label: L,
  read: () => Iterable<readonly [string, number]>,
): void {
  new Counter<L>({
    ...described,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, count] of read()) this.inc({ [label]: value } as Record<L, string>, count); // one label, its own
    },
  });
}

/** Registers a gauge; it has no value while `read` returns none. */
export function readGauge(registry: Registry, described: Described, read: () => number | undefined): void {
  new Gauge({
    ...described,
    registers: [registry],
    collect() {
      const value = read();
      if (value === undefined) this.remove();
      else this.set(value);
    },
  });
}

/**
 * Registers a gauge whose value takes a query. A scrape starts the query, at most once in
 * `maxAgeMs`, however many scrapes there are. Until an answer comes, the previous value stays;
 * before the first one there is no value.
 */
export function askedGauge(
  registry: Registry,
  described: Described,
  maxAgeMs: number,
  ask: () => Promise<number | undefined>,
): void {
  let askedAt = Number.NEGATIVE_INFINITY;
  const gauge = new Gauge({
    ...described,
    registers: [registry],
    async collect() {
      if (performance.now() - askedAt < maxAgeMs) return;
      askedAt = performance.now();
      const asked = ask().then(show, () => undefined);
      await Promise.race([asked, sleep(MAX_WAIT_MS, undefined, { ref: false })]);
    },
  });
  const show = (value: number | undefined) => {
    if (value === undefined) gauge.remove();
    else gauge.set(value);
  };
  show(undefined); // otherwise an unknown value would read as 0
}

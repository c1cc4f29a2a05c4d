import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Who is asked may hang; Prometheus gives a scrape up after 10 s. */
const MAX_WAIT_MS = 1_000;

interface Described {
  readonly name: string;
  readonly help: string;
}

/** A counter that somebody else counts. */
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

/** The same with one label. */
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

/** Without a value while `read` knows none. */
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
 * A value that takes a query: asked for at a scrape, at most once in `maxAgeMs`, however many scrape. Without an answer, or until a late
 * one comes, the last one stands; before the first there is no value.
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
  show(undefined); // or what is unknown would read as 0
}

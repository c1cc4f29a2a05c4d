import { Counter, Gauge, type Registry } from 'prom-client';

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

export function readGauge(registry: Registry, described: Described, read: () => number): void {
  new Gauge({
    ...described,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/**
 * A value that takes a query: asked for at a scrape, at most once in `maxAgeMs`, however many scrape. Without an answer the last one
 * stands; before the first there is no value.
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
      const value = await ask().catch(() => undefined);
      if (value !== undefined) this.set(value);
    },
  });
  gauge.remove(); // or an unknown value would read as 0
}

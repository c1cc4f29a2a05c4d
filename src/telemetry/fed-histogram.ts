import type { Metric, Registry } from 'prom-client';

/** The observations of one series. */
export class Observations {
  readonly #bounds: readonly number[];
  /** Observations in each bucket and, at the end, above all buckets; not cumulative. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const index = bucket < 0 ? this.#bounds.length : bucket;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }
}

export interface FedHistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly bounds: readonly number[];
  /** By value of the label. */
  readonly series: ReadonlyMap<string, Observations>;
}

/**
 * Registers a histogram whose numbers other code keeps and a scrape reads. prom-client's own finds
 * a series by a text of its labels at each observation. With its counter that takes 0.36 µs in a
 * loop and about 2 µs under load, against 0.1 µs here. It accepts no outside numbers, so this
 * metric implements the one method that a registry calls. The version is pinned, and
 * test/telemetry/metrics.test.ts fails when that no longer works.
 */
export function registerFedHistogram(registry: Registry, options: FedHistogramOptions): void {
  const { name, help } = options;
  const histogram = {
    name,
    get: async () => ({ name, help, type: 'histogram', values: [...valuesOf(options)], aggregator: 'sum' }),
  };
  registry.registerMetric(histogram as unknown as Metric);
}

function* valuesOf({ name, label, bounds, series }: FedHistogramOptions) {
  for (const [value, { counts, sum }] of series) {
    let count = 0;
    for (const [index, le] of [...bounds, '+Inf'].entries()) {
      count += counts[index] ?? 0;
      yield { metricName: `${name}_bucket`, labels: { le, [label]: value }, value: count };
    }
    yield { metricName: `${name}_sum`, labels: { [label]: value }, value: sum };
    yield { metricName: `${name}_count`, labels: { [label]: value }, value: count };
  }
}

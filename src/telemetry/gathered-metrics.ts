import { AggregatorRegistry, Registry } from 'prom-client';
import type { MetricsSnapshot } from './metrics.ts';
import type { MetricsSource } from './metrics-listener.ts';

/** A process whose metrics are gathered. */
export interface MeasuredProcess {
  /** Resolves with undefined if the process does not answer in time. */
  readMetrics(): Promise<MetricsSnapshot | undefined>;
}

/**
 * The metrics of several processes as one. Counters keep the counts of ended processes, so a
 * replaced process never makes them go back. Of a process that was killed these are the counts of
 * the last scrape.
 */
export class GatheredMetrics implements MetricsSource {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  /** The last answer of each process that has not ended. */
  readonly #latest = new Map<MeasuredProcess, MetricsSnapshot>();
  #ofEnded: MetricsSnapshot = [];
  #gathering: Promise<string> | undefined;

  started(process: MeasuredProcess): void {
    this.#latest.set(process, []);
  }

  /** Keeps the counts of a process. `last` is its own last word; a killed process has none. */
  ended(process: MeasuredProcess, last: MetricsSnapshot | undefined): void {
    const counts = countersOf(last ?? this.#latest.get(process) ?? []);
    this.#latest.delete(process);
    this.#ofEnded = sumOf([this.#ofEnded, counts]);
  }

  /** Returns the text. Concurrent scrapes share it: an older answer must not replace a newer one. */
  text(): Promise<string> {
    this.#gathering ??= this.#gather().finally(() => {
      this.#gathering = undefined;
    });
    return this.#gathering;
  }

  async #gather(): Promise<string> {
    const answered = new Set<MeasuredProcess>();
    const ask = async (process: MeasuredProcess) => {
      const snapshot = await process.readMetrics();
      // A process that has ended meanwhile counts among the ended ones.
      if (!snapshot || !this.#latest.has(process)) return;
      answered.add(process);
      this.#latest.set(process, snapshot);
    };
    await Promise.all([...this.#latest.keys()].map(ask));
    const running = [...this.#latest].map(([process, latest]) => (answered.has(process) ? latest : countersOf(latest)));
    // Metrics of a running process first: prom-client takes the description of the first.
    return AggregatorRegistry.aggregate([...running, this.#ofEnded]).metrics();
  }
}

/** Names in the JSON of prom-client, whose types have numbers. */
const COUNTING: ReadonlySet<unknown> = new Set(['counter', 'histogram']);

const countersOf = (snapshot: MetricsSnapshot): MetricsSnapshot => snapshot.filter(({ type }) => COUNTING.has(type));

/** Returns counts added up by prom-client's rules. Its array holds the sums at once. */
function sumOf(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const sums = AggregatorRegistry.aggregate([...snapshots]).getMetricsAsArray();
  return sums as unknown as MetricsSnapshot; // aggregate() gives its metrics their values
}

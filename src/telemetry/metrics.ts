import { versions } from 'node:process';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { AzureMetrics } from './azure-metrics.ts';
import { RequestMetrics, type TenantLabelOptions } from './request-metrics.ts';
import { RoundsMetrics } from './rounds-metrics.ts';
import { type WatchedParts, watchParts } from './watched-parts.ts';

/** The values of all metrics at one time. It passes through JSON unchanged. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/**
 * All metrics of one service in a registry of its own. None is global: one process may have several
 * services.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly requests: RequestMetrics;
  readonly azure: AzureMetrics;
  readonly rounds: RoundsMetrics;

  constructor(version: string, tenantLabels: TenantLabelOptions | undefined) {
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({
      name: 'vaultspan_build_info',
      help: 'Number of processes that answer; the labels show the versions',
      labelNames: ['version', 'node'],
      registers: [this.#registry],
    }).set({ version, node: versions.node }, 1);
    this.requests = new RequestMetrics(this.#registry, tenantLabels);
    this.azure = new AzureMetrics(this.#registry);
    this.rounds = new RoundsMetrics(this.#registry);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Returns the metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Returns all values, as a parent of several processes adds them up. */
  snapshot(): Promise<MetricsSnapshot> {
    return this.#registry.getMetricsAsJSON();
  }

  /** Called once, when the parts are built. */
  watch(parts: WatchedParts): void {
    watchParts(this.#registry, parts);
  }
}

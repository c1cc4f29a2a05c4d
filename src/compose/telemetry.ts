import type { Config } from '../config/resolved.ts';
import type { OnAnswered } from '../http/scope.ts';
import type { OpenSpan } from '../http/server/trace-requests.ts';
import { packageVersion } from '../lib/package-version.ts';
import type { GatheredMetrics } from '../telemetry/gathered-metrics.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { MetricsListener, MetricsSource } from '../telemetry/metrics-listener.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { addressMistake, namingSettings } from './setting-mistakes.ts';

/** Metrics and traces, as configured; code for disabled ones is not even loaded. */
export interface Telemetry {
  readonly metrics: Metrics | undefined;
  readonly metricsUrl: string | undefined;
  readonly onAnswered: OnAnswered | undefined;
  readonly openSpan: OpenSpan | undefined;
  close(): Promise<void>;
}

/**
 * Opens telemetry.
 * @throws ConfigError when the address of the metrics cannot be used
 */
export async function openTelemetry(
  config: Pick<Config, 'http' | 'metrics' | 'telemetry'>,
  logger: Logger,
): Promise<Telemetry> {
  const version = packageVersion();
  const opened = config.metrics.enabled ? await openMetrics(config, version) : undefined;
  const tracing = await openTracing(config, version, logger);
  return {
    metrics: opened?.metrics,
    metricsUrl: opened?.listener?.url,
    onAnswered: opened || tracing ? tellAnswered(opened?.metrics, tracing) : undefined,
    openSpan: tracing && ((method, headers) => tracing.open(method, headers)),
    close: async () => {
      await opened?.listener?.close();
      await tracing?.close();
    },
  };
}

async function openMetrics(
  config: Pick<Config, 'http' | 'metrics'>,
  version: string,
): Promise<{ readonly metrics: Metrics; readonly listener: MetricsListener | undefined }> {
  const { tenantLabels, maxTenants } = config.metrics;
  const { Metrics } = await import('../telemetry/metrics.ts');
  const metrics = new Metrics(version, tenantLabels ? { maxTenants } : undefined);
  // The parent of several processes serves the metrics of all.
  return { metrics, listener: config.http.processes > 1 ? undefined : await openMetricsListener(config, metrics) };
}

async function openMetricsListener(
  { metrics: { host, port } }: Pick<Config, 'metrics'>,
  source: MetricsSource,
): Promise<MetricsListener> {
  const { listenForMetrics } = await import('../telemetry/metrics-listener.ts');
  return namingSettings(() => listenForMetrics(source, { host, port }), addressMistake('metrics', { host, port }));
}

/** The metrics of several processes, on one listener. */
export interface OpenGatheredMetrics extends Pick<GatheredMetrics, 'started' | 'ended'> {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Returns the metrics of several processes; undefined if metrics are disabled.
 * @throws ConfigError when the address of the metrics cannot be used
 */
export async function openGatheredMetrics(config: Pick<Config, 'metrics'>): Promise<OpenGatheredMetrics | undefined> {
  if (!config.metrics.enabled) return undefined;
  const { GatheredMetrics } = await import('../telemetry/gathered-metrics.ts');
  const gathered = new GatheredMetrics();
  const { url, close } = await openMetricsListener(config, gathered);
  return {
    url,
    close,
    started: (process) => gathered.started(process),
    ended: (process, last) => gathered.ended(process, last),
  };
}

async function openTracing(
  { telemetry: { otlpEndpoint, sampleRatio, tenantIds } }: Pick<Config, 'telemetry'>,
  version: string,
  logger: Logger,
): Promise<Tracing | undefined> {
  if (otlpEndpoint === undefined) return undefined;
  const [{ Tracing }, { instrumentAzure }] = await Promise.all([
    import('../telemetry/tracing.ts'),
    import('../azure/instrumenter.ts'),
  ]);
  const tracing = new Tracing({
    otlpEndpoint,
    sampleRatio,
    showsTenants: tenantIds,
    version,
    onTrouble: (error) => logger.warn({ error }, 'the trace collector accepts no spans'),
  });
  instrumentAzure({ ...tracing, showsTenants: tenantIds });
  return tracing;
}

/** Returns the one callback after each answer. */
function tellAnswered(metrics: Metrics | undefined, tracing: Tracing | undefined): OnAnswered {
  return (scope, status, code) => {
    metrics?.requests.answered(scope, status, code, (performance.now() - scope.startedAt) / 1_000);
    tracing?.answered(scope, status, code);
  };
}

import type { Config } from '../config/resolved.ts';
import type { OnAnswered } from '../http/scope.ts';
import type { OpenSpan } from '../http/server/trace-requests.ts';
import { packageVersion } from '../lib/package-version.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { MetricsListener } from '../telemetry/metrics-listener.ts';
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
export async function openTelemetry(config: Pick<Config, 'metrics' | 'telemetry'>, logger: Logger): Promise<Telemetry> {
  const version = packageVersion();
  const opened = config.metrics.enabled ? await openMetrics(config, version) : undefined;
  const tracing = await openTracing(config, version, logger);
  return {
    metrics: opened?.metrics,
    metricsUrl: opened?.listener.url,
    onAnswered: opened || tracing ? tellAnswered(opened?.metrics, tracing) : undefined,
    openSpan: tracing && ((method, headers) => tracing.open(method, headers)),
    close: async () => {
      await opened?.listener.close();
      await tracing?.close();
    },
  };
}

async function openMetrics(
  { metrics: { host, port, tenantLabels, maxTenants } }: Pick<Config, 'metrics'>,
  version: string,
): Promise<{ readonly metrics: Metrics; readonly listener: MetricsListener }> {
  const [{ Metrics }, { listenForMetrics }] = await Promise.all([
    import('../telemetry/metrics.ts'),
    import('../telemetry/metrics-listener.ts'),
  ]);
  const metrics = new Metrics(version, tenantLabels ? { maxTenants } : undefined);
  const listen = () => listenForMetrics(metrics, { host, port });
  return { metrics, listener: await namingSettings(listen, addressMistake('metrics', { host, port })) };
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

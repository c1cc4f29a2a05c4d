import { DeferredRecords } from '../audit/deferred-records.ts';
import { RefusalCounter } from '../audit/refusals.ts';
import type { AuditSink } from '../audit/sink.ts';
import { CallCounts } from '../azure/call-counts.ts';
import { issuerTrouble } from '../callers/issuer-keys.ts';
import type { Config } from '../config/resolved.ts';
import { DEADLINES, type Deadlines } from '../http/server/deadlines.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FailureLog } from '../telemetry/failure-log.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type Audit, openAudit } from './audit.ts';
import { openAzure } from './azure.ts';
import { openBells } from './bells.ts';
import { openBranches } from './branches.ts';
import { openCertificate } from './certificate.ts';
import { openDrills } from './drills.ts';
import { openGcm } from './gcm.ts';
import { openHome } from './home.ts';
import { openKeys } from './keys.ts';
import { openLeases } from './leases.ts';
import { type Listener, type ListenerParts, openListener } from './listener.ts';
import { reportSigner, startReceipts, unwrapRecorder } from './receipts.ts';
import { startRounds } from './rounds.ts';
import { startOtlpLogs, startSiem } from './siem.ts';
import { openStore, type Store } from './store.ts';
import { openTelemetry } from './telemetry.ts';
import { openQuotas, startUsage, type Usage } from './usage.ts';

/** A service that listens. */
export interface Service {
  readonly url: string;
  /** Address of the metrics, if they are enabled. */
  readonly metricsUrl: string | undefined;
  /** Present if metrics are enabled. */
  readonly metrics: Pick<Metrics, 'snapshot'> | undefined;
  /**
   * Drains, ends the audit chain and closes every part. The signal cuts the drain short.
   * `othersStay`: other processes on the port take new connections; by default on a shared port.
   */
  stop(hurry?: AbortSignal, othersStay?: boolean): Promise<void>;
}

export interface ServiceOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** The system's clock, except in tests that move time. */
  readonly clock?: Clock;
  /** Spreads renewals of proofs. Random, except in tests that count them. */
  readonly jitter?: () => number;
  /** Default: the service's own; tests of slow clients set others. */
  readonly deadlines?: Deadlines;
}

/**
 * Builds every part from the configuration and listens.
 * @throws CertificateError, ServiceError, TenantListError, or the error of listening
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, logger } = options;
  const opened = new AsyncDisposableStack();
  /**
   * Registers a part that must be closed. A part that fails to close does not keep the others open.
   */
  const keep = <P extends Closable | undefined>(part: P): P => {
    opened.defer(async () => {
      await part?.close().catch((error: unknown) => logger.error({ error }, 'a part of the service failed to close'));
    });
    return part;
  };
  try {
    const { listener, telemetry } = await openParts(options, keep);
    const { server } = listener;
    logger.info({ url: server.url, metricsUrl: telemetry.metricsUrl }, 'listening');
    warnOfIssuers(config, logger);
    const stop: Service['stop'] = async (hurry, othersStay) => {
      logger.info('draining');
      const cut = await server.drain(config.http.drainMs, hurry, othersStay);
      if (cut > 0) logger.warn({ cut }, 'requests were cut at the end of the drain');
      await opened.disposeAsync();
      logger.info('stopped');
    };
    return { url: server.url, metricsUrl: telemetry.metricsUrl, metrics: telemetry.metrics, stop };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

interface Closable {
  close(): Promise<void>;
}

type Keep = <P extends Closable | undefined>(part: P) => P;

/** Opens the parts in the order of their dependencies; they are closed in reverse order. */
async function openParts(options: ServiceOptions, keep: Keep) {
  const { config, logger, clock = systemClock, jitter = Math.random, deadlines = DEADLINES } = options;
  const failures = keep(new FailureLog({ write: (fields) => logger.error(fields, 'request failed') }));
  const telemetry = keep(await openTelemetry(config, logger));
  const certificate = keep(await openCertificate(config, logger, clock));
  const gcm = openGcm(config, logger);
  const home = openHome(config, clock);
  let sink: AuditSink | undefined;
  let usage: Usage | undefined;
  const calls = new CallCounts(telemetry.metrics?.azure);
  const azure = await openAzure(config, home, logger, clock, calls, {
    onUnwrap: unwrapRecorder(config, () => sink),
    onCall: (tenantId) => usage?.countVaultCall(tenantId),
  });
  const store = keep(await openStore(config, home, logger));
  const audit = keep(await openAudit(config, home, azure.lineKey, logger));
  sink = audit.sink;
  usage = keep(startUsage(audit.database, logger, clock));
  const observer = calls;
  const receipts = keep(startReceipts({ config, home, database: audit.database, logger, clock, observer }));
  const { tenants } = store;
  const siem = keep(await startSiem({ config, logger, clock, azure, tenants, database: audit.database }));
  const otlpLogs = keep(await startOtlpLogs({ config, home, logger, clock, database: audit.database }));
  const quotas = keep(openQuotas(config, store, logger, clock));
  const refusals = keep(openRefusals(audit, logger));
  const laterRecords = keep(openLaterRecords(audit, logger));
  const branches = keep(openBranches({ config, home, logger, clock, azure, store, audit }));
  const keys = keep(openKeys({ config, logger, clock, jitter, gcm, azure, store, branches }));
  await branches.follow(keys.dataKeys);
  const bells = keep(await openBells({ logger, clock, azure, store, keys }));
  const drills = keep(await openDrills({ config, logger, clock, gcm, azure, store, audit, keys }));
  const leases = keep(openLeases({ logger, jitter, store, audit }));
  const opened = {
    telemetry,
    certificate,
    azure,
    store,
    audit,
    receipts,
    siem,
    otlpLogs,
    usage,
    quotas,
    refusals,
    laterRecords,
    branches,
    keys,
    leases,
    bells,
    drills,
    calls,
  };
  const signReport = reportSigner({ config, home, clock, observer });
  const parts = { config, signReport, failures, clock, deadlines, ...opened };
  const listener = await openListener(parts);
  watch(parts, listener);
  keep(startRounds({ config, logger, clock, azure, store, keys, metrics: telemetry.metrics?.rounds }));
  return { listener, telemetry };
}

const openLaterRecords = ({ sink }: Audit, logger: Logger): DeferredRecords =>
  new DeferredRecords({ sink, onRefused: (error) => logger.error({ error }, 'records of doorbells are pending') });

const openRefusals = ({ sink }: Audit, logger: Logger): RefusalCounter =>
  new RefusalCounter({ sink, onFailure: (error) => logger.error({ error }, 'refusals were not recorded') });

function watch(parts: ListenerParts, { server, admission }: Listener): void {
  const {
    config,
    clock,
    telemetry,
    certificate,
    azure,
    store,
    audit,
    receipts,
    siem,
    otlpLogs,
    branches,
    keys,
    leases,
  } = parts;
  telemetry.metrics?.watch({
    requestsInFlight: () => server.openRequests(),
    requestsShed: admission.shed,
    vaultGates: azure.gates,
    dataKeys: keys.dataKeys,
    keyUses: keys.keyUses,
    leaseCounts: leases.leaseCounts,
    branches: branches.parts.counts,
    audit: audit.sink,
    spool: audit.shipper,
    receipts,
    siem,
    otlpLogs,
    certificate,
    tenants: store.tenants,
    countOverdue: overdueCounter(config, store, clock),
    homeCredentialExpiry: azure.homeCredentialExpiry,
  });
}

/** Visits that are later than a lease are overdue; others only wait for their turn. */
const OVERDUE_MS = 5 * 60_000;

function overdueCounter(
  { rounds }: Pick<Config, 'rounds'>,
  { claims }: Store,
  clock: Clock,
): (() => Promise<number>) | undefined {
  if (!rounds.enabled) return undefined;
  return () => claims.countOverdue(clock.wallMs() - OVERDUE_MS);
}

/**
 * Checks the issuers in the background: a temporarily unreachable issuer must not prevent the
 * service from starting.
 */
function warnOfIssuers({ callers }: Pick<Config, 'callers'>, logger: Logger): void {
  for (const entry of callers) {
    void issuerTrouble(entry).then((trouble) => {
      if (trouble !== undefined)
        logger.warn({ issuer: entry.issuer, trouble }, 'tokens of an issuer cannot be verified');
    });
  }
}

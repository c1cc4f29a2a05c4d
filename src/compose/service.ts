import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import { createApp } from '../app.ts';
import { RefusalCounter } from '../audit/refusals.ts';
import { CallerRates } from '../callers/caller-rates.ts';
import { issuerTrouble } from '../callers/issuer-keys.ts';
import { createTokenVerifier } from '../callers/verify-token.ts';
import type { Config } from '../config/load-config.ts';
import { Admission } from '../http/admission/admission.ts';
import { DEADLINES, type Deadlines } from '../http/server/deadlines.ts';
import type { ServedCertificate } from '../http/server/served-certificate.ts';
import { answerUnroutable, listen, type RunningServer } from '../http/server/server.ts';
import { CachedDataKeys } from '../keyring/cached-data-keys.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { parseInput } from '../lib/parse-input.ts';
import type { Logger } from '../telemetry/logger.ts';
import { KeyUsage } from '../tenants/key-usage.ts';
import { tenantSchema } from '../tenants/record-schema.ts';
import { type Audit, openAudit } from './audit.ts';
import { cloudOf, hostsOf, openAzure } from './azure.ts';
import { openCertificate } from './certificate.ts';
import { startRounds } from './rounds.ts';
import { openStore, type Store } from './store.ts';
import { openTelemetry, type Telemetry } from './telemetry.ts';

/** A service that listens. */
export interface Service {
  readonly url: string;
  /** Of the metrics, where they are enabled. */
  readonly metricsUrl: string | undefined;
  /** Drains, ends the audit chain and lets everything go. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** The system's, but in tests that move time. */
  readonly clock?: Clock;
  /** The service's own, but in tests of slow clients. */
  readonly deadlines?: Deadlines;
}

/** Builds every part from the configuration and listens. @throws CertificateError, ServiceError, TenantListError, or what listening threw */
export async function startService({
  config,
  logger,
  clock = systemClock,
  deadlines = DEADLINES,
}: ServiceOptions): Promise<Service> {
  const telemetry = await openTelemetry(config, logger);
  const opened: Closable[] = [telemetry];
  try {
    const certificate = await openCertificate(config, logger, clock);
    if (certificate) opened.unshift(certificate);
    const azure = await openAzure(config, logger, clock, telemetry.metrics?.azure);
    const store = await openStore(config, logger);
    opened.unshift(store);
    const audit = await openAudit(config, logger);
    opened.unshift(audit);
    return await serve({ config, logger, clock, deadlines, certificate, azure, store, audit, telemetry });
  } catch (error) {
    await closeAll(opened, logger);
    throw error;
  }
}

interface Parts {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly certificate: ServedCertificate | undefined;
  readonly azure: Awaited<ReturnType<typeof openAzure>>;
  readonly store: Store;
  readonly audit: Audit;
  readonly telemetry: Telemetry;
}

async function serve(parts: Parts): Promise<Service> {
  const { config, logger, clock, deadlines, certificate, azure, store, audit, telemetry } = parts;
  const { tenants } = store;
  const keyUses = { sealed: 0, opened: 0 };
  const refusals = new RefusalCounter({
    sink: audit.sink,
    onFailure: (error) => logger.error({ error }, 'refusals not recorded'),
  });
  const tenantRecord = tenantSchema(hostsOf(config));
  const dataKeys = new CachedDataKeys({
    wrapper: azure.vault,
    originKeys: azure.originKeys,
    clock,
    bounds: config.dataKeys,
    requireTenantTag: config.vault.requireTenantTag,
    revocationBoundSeconds: config.revocation.boundSeconds,
    onBackgroundFailure: (error) => logger.warn({ error }, 'a data key was not renewed ahead of time'),
  });
  const keyUsage =
    store.keyUsage &&
    new KeyUsage({
      store: store.keyUsage,
      wallMs: () => clock.wallMs(),
      onFailure: (error) => logger.warn({ error }, 'uses of keys were not counted yet'),
    });
  // A suspended tenant's keys and token go at once; a changed one's keys go by their revision, when they are next asked for.
  const dropKeys = async (tenantId: string | undefined) => {
    if (tenantId === undefined) return;
    dataKeys.forget(tenantId);
    const tenant = await tenants.get(tenantId);
    if (tenant.state === 'suspended') azure.vault.forget(tenant);
  };
  tenants.onChange(
    (tenantId) =>
      void dropKeys(tenantId).catch((error: unknown) => logger.debug({ error }, 'keys of a tenant that is gone')),
  );
  const refused = {
    operation: 'none',
    outcome: 'refused',
    code: 'unauthenticated',
    reason: 'client-certificate',
  } as const;
  const listenOptions = {
    ...config.http,
    certificate,
    deadlines,
    onRefusedClient: () => refusals.count({ ...refused, requestId: randomUUID() }),
  };
  const admission = new Admission({
    ...config.http,
    callerRates: callerRatesOf(config, clock),
    countRefusal: (event) => refusals.count(event),
    onAnswered: telemetry.onAnswered,
  });
  const server = await listen((isDraining) => {
    const app = createApp({
      tenants,
      dataKeys,
      audit: audit.sink,
      auditRecords: audit.records,
      auditDegraded: audit.degraded,
      vault: azure.vault,
      maxPlaintextBytes: config.http.maxPlaintextBytes,
      revocationBoundSeconds: config.revocation.boundSeconds,
      contextDigest: azure.contextDigest,
      countRefusal: (event) => refusals.count(event),
      onFailure: ({ requestId, operation }, error) => logger.error({ requestId, operation, error }, 'request failed'),
      isDraining,
      certificate,
      openProbe: azure.openProbe,
      directory: azure.directory,
      lastCheck: async (tenantId) => store.claims?.lastCheck(tenantId),
      countKeyUse: (tenantId, keyId, use) => {
        keyUses[use] += 1;
        keyUsage?.count(tenantId, keyId, use);
      },
      onAnswered: telemetry.onAnswered,
      openSpan: telemetry.openSpan,
      keyUsageOf: async (tenantId) => (await keyUsage?.of(tenantId)) ?? [],
      lastChecks: async (ids) => (await store.claims?.lastChecks(ids)) ?? new Map(),
      clock,
      appId: config.home.appId,
      authorityHost: cloudOf(config).authorityHost,
      parseTenant: (record) => parseInput(tenantRecord, record, ''),
      verifyToken: createTokenVerifier(config.callers, clock),
      admission,
      bodyTimeoutMs: deadlines.bodyMs,
    });
    // Express itself would answer with a page of its own what it finds no path in.
    return admission.guard((req, res) => app(req as Request, res as Response, () => void answerUnroutable(req, res)));
  }, listenOptions);
  telemetry.metrics?.watch({
    requestsInFlight: () => server.openRequests(),
    requestsShed: admission.shed,
    vaultGates: azure.gates,
    dataKeys,
    keyUses,
    audit: audit.sink,
    spool: audit.shipper,
    certificate,
    tenants,
    countOverdue: overdueCounter(config, store, clock),
    homeCredentialExpiry: azure.homeCredentialExpiry,
  });
  logger.info({ url: server.url, metricsUrl: telemetry.metricsUrl }, 'listening');
  warnOfIssuers(config, logger);
  const metrics = telemetry.metrics?.rounds;
  const rounds = startRounds({ config, logger, clock, store, azure, dataKeys, metrics });
  const closables = [
    rounds,
    ...(keyUsage ? [keyUsage] : []),
    refusals,
    audit,
    store,
    ...(certificate ? [certificate] : []),
    telemetry,
  ];
  return { url: server.url, metricsUrl: telemetry.metricsUrl, stop: () => stop(server, closables, config, logger) };
}

/** Longer than a visit's lease would be trouble; shorter ones are only waiting for their turn. */
const OVERDUE_MS = 5 * 60_000;

function overdueCounter(config: Config, { claims }: Store, clock: Clock): (() => Promise<number>) | undefined {
  if (!config.rounds.enabled || !claims) return undefined;
  return () => claims.countOverdue(clock.wallMs() - OVERDUE_MS);
}

/** In the background: an issuer that is out of reach for a while must not keep the service from starting. */
function warnOfIssuers({ callers }: Config, logger: Logger): void {
  for (const entry of callers) {
    void issuerTrouble(entry).then((trouble) => {
      if (trouble !== undefined)
        logger.warn({ issuer: entry.issuer, trouble }, 'tokens of an issuer cannot be verified');
    });
  }
}

function callerRatesOf({ http }: Config, clock: Clock): CallerRates | undefined {
  const { callerRequestsPerSecond: requestsPerSecond, callerBurst } = http;
  if (requestsPerSecond === undefined) return undefined;
  return new CallerRates({ requestsPerSecond, burst: callerBurst ?? Math.max(1, 2 * requestsPerSecond), clock });
}

async function stop(server: RunningServer, parts: readonly Closable[], config: Config, logger: Logger): Promise<void> {
  logger.info('draining');
  const cut = await server.drain(config.http.drainSeconds);
  if (cut > 0) logger.warn({ cut }, 'requests were cut at the end of the drain');
  await closeAll(parts, logger);
  logger.info('stopped');
}

interface Closable {
  close(): Promise<void>;
}

/** One part that can't be closed well keeps none of the others open. */
async function closeAll(parts: readonly Closable[], logger: Logger): Promise<void> {
  for (const part of parts) {
    await part.close().catch((error: unknown) => logger.error({ error }, 'a part was not closed well'));
  }
}

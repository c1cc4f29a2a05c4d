import type { Request, Response } from 'express';
import { createApp } from './app.ts';
import { RefusalCounter } from './audit/refusals.ts';
import { type Clock, systemClock } from './cache/clock.ts';
import { createTokenVerifier } from './callers/verify-token.ts';
import { type Audit, openAudit } from './compose-audit.ts';
import { cloudOf, hostsOf, openAzure } from './compose-parts.ts';
import { startRounds } from './compose-rounds.ts';
import { openStore, type Store } from './compose-store.ts';
import type { Config } from './config.ts';
import { CachedDataKeys } from './envelope/cached-data-keys.ts';
import { parseInput } from './http/parse-input.ts';
import { answerUnroutable, listen, type RunningServer } from './http/server.ts';
import type { Logger } from './telemetry/logger.ts';
import { KeyUsage } from './tenants/key-usage.ts';
import { tenantSchema } from './tenants/tenant-schema.ts';

/** A service that listens. */
export interface Service {
  readonly url: string;
  /** Drains, ends the audit chain and lets everything go. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** The system's, but in tests that move time. */
  readonly clock?: Clock;
}

/** Builds every part from the configuration and listens. @throws ServiceError, TenantListError, or what listening threw */
export async function startService({ config, logger, clock = systemClock }: ServiceOptions): Promise<Service> {
  const azure = await openAzure(config, logger, clock);
  const store = await openStore(config, logger);
  const opened: Closable[] = [store];
  try {
    const audit = await openAudit(config, logger);
    opened.unshift(audit);
    return await serve({ config, logger, clock, azure, store, audit });
  } catch (error) {
    await closeAll(opened, logger);
    throw error;
  }
}

interface Parts {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly azure: Awaited<ReturnType<typeof openAzure>>;
  readonly store: Store;
  readonly audit: Audit;
}

async function serve({ config, logger, clock, azure, store, audit }: Parts): Promise<Service> {
  const { tenants } = store;
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
  const server = await listen((isDraining) => {
    const app = createApp({
      tenants,
      dataKeys,
      audit: audit.sink,
      auditRecords: audit.records,
      shipper: audit.shipper,
      vault: azure.vault,
      maxPlaintextBytes: config.http.maxPlaintextBytes,
      revocationBoundSeconds: config.revocation.boundSeconds,
      contextDigest: azure.contextDigest,
      countRefusal: (event) => refusals.count(event),
      onFailure: ({ requestId, operation }, error) => logger.error({ requestId, operation, error }, 'request failed'),
      isDraining,
      openProbe: azure.openProbe,
      directory: azure.directory,
      lastCheck: async (tenantId) => store.claims?.lastCheck(tenantId),
      countKeyUse: (tenantId, keyId, use) => keyUsage?.count(tenantId, keyId, use),
      keyUsageOf: async (tenantId) => (await keyUsage?.of(tenantId)) ?? [],
      lastChecks: async (ids) => (await store.claims?.lastChecks(ids)) ?? new Map(),
      clock,
      appId: config.home.appId,
      authorityHost: cloudOf(config).authorityHost,
      parseTenant: (record) => parseInput(tenantRecord, record, ''),
      verifyToken: createTokenVerifier(config.callers, clock),
    });
    // Express itself would answer with a page of its own what it finds no path in.
    return (req, res) => app(req as Request, res as Response, () => answerUnroutable(res));
  }, config.http);
  logger.info({ url: server.url }, 'listening');
  const rounds = startRounds({ config, logger, clock, store, azure, dataKeys });
  return {
    url: server.url,
    stop: () => stop(server, [rounds, ...(keyUsage ? [keyUsage] : []), refusals, audit, store], config, logger),
  };
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

import { createHmac } from 'node:crypto';
import { createApp } from './app.ts';
import { openFileSink } from './audit/file-sink.ts';
import { RefusalCounter } from './audit/refusals.ts';
import { type Cloud, clouds } from './azure/cloud.ts';
import { ClientSecretHomeCredential } from './azure/home-credential.ts';
import { AUDIT_KEY_SECRET, HomeKeys, ORIGIN_KEY_SECRET } from './azure/home-keys.ts';
import { HomeVault } from './azure/home-vault.ts';
import { KeyVault } from './azure/key-vault.ts';
import { platformCredential } from './azure/platform-credential.ts';
import { AzureTenantProbe } from './azure/tenant-probe.ts';
import { type Clock, systemClock } from './cache/clock.ts';
import { createTokenVerifier } from './callers/verify-token.ts';
import type { Config } from './config.ts';
import { CachedDataKeys } from './envelope/cached-data-keys.ts';
import { parseInput } from './http/parse-input.ts';
import { listen, type RunningServer } from './http/server.ts';
import type { Logger } from './telemetry/logger.ts';
import { openFileRegistry } from './tenants/file-registry.ts';
import { tenantSchema } from './tenants/tenant-schema.ts';
import { type VaultHosts, vaultHosts } from './tenants/vault-hosts.ts';

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
  const tenants = await openFileRegistry({
    file: config.registry.file,
    hosts: hostsOf(config),
    onReload: (count) => logger.info({ count }, 'tenants reread'),
    onBrokenEdit: (error) =>
      logger.error({ problems: error.message }, 'tenants not reread: the last good list goes on'),
  });
  const audit = await openFileSink({ directory: config.audit.directory });
  const refusals = new RefusalCounter({
    sink: audit,
    onFailure: (error) => logger.error({ error }, 'refusals not recorded'),
  });
  const tenantRecord = tenantSchema(hostsOf(config));
  const dataKeys = new CachedDataKeys({
    wrapper: azure.vault,
    originKeys: azure.originKeys,
    clock,
    bounds: config.dataKeys,
    revocationBoundSeconds: config.revocation.boundSeconds,
    onBackgroundFailure: (error) => logger.warn({ error }, 'a data key was not renewed ahead of time'),
  });
  const server = await listen(
    (isDraining) =>
      createApp({
        tenants,
        dataKeys,
        audit,
        vault: azure.vault,
        maxPlaintextBytes: config.http.maxPlaintextBytes,
        contextDigest: azure.contextDigest,
        countRefusal: (event) => refusals.count(event),
        onFailure: ({ requestId, operation }, error) => logger.error({ requestId, operation, error }, 'request failed'),
        isDraining,
        openProbe: azure.openProbe,
        clock,
        appId: config.home.appId,
        authorityHost: cloudOf(config).authorityHost,
        parseTenant: (record) => parseInput(tenantRecord, record, ''),
        verifyToken: createTokenVerifier(config.callers, clock),
      }),
    config.http,
  );
  logger.info({ url: server.url }, 'listening');
  return { url: server.url, stop: () => stop(server, [refusals, audit, tenants], config, logger) };
}

async function stop(
  server: RunningServer,
  parts: readonly { close(): Promise<void> }[],
  config: Config,
  logger: Logger,
): Promise<void> {
  logger.info('draining');
  const cut = await server.drain(config.http.drainSeconds);
  if (cut > 0) logger.warn({ cut }, 'requests were cut at the end of the drain');
  for (const part of parts) await part.close();
  logger.info('stopped');
}

/** Addresses of the deployment's one cloud. */
export function cloudOf({ cloud }: Pick<Config, 'cloud'>): Cloud {
  if (cloud.name !== 'custom') return clouds[cloud.name];
  const { authorityHost = '', vaultSuffix = '', managedHsmSuffix = vaultSuffix } = cloud;
  return { authorityHost, vaultSuffix, managedHsmSuffix };
}

export function hostsOf(config: Pick<Config, 'cloud' | 'emulator'>): VaultHosts {
  const { vaultSuffix, managedHsmSuffix } = cloudOf(config);
  return vaultHosts([...new Set([vaultSuffix, managedHsmSuffix])], config.emulator !== undefined);
}

export function homeVaultOf(config: Config, clock: Clock = systemClock): HomeVault {
  const { authorityHost } = cloudOf(config);
  return new HomeVault({
    vaultUrl: config.home.vaultUrl,
    credential: platformCredential({ ...config.home, authorityHost }),
    unsafeAllowEmulator: config.emulator !== undefined,
    deadlineMs: config.vault.deadlineSeconds * 1_000,
    clock,
  });
}

async function openAzure(config: Config, logger: Logger, clock: Clock) {
  const unsafeAllowEmulator = config.emulator !== undefined;
  const { authorityHost, vaultSuffix } = cloudOf(config);
  const vaultScope = `https://${vaultSuffix.slice(1)}/.default`;
  const { appId, secretName } = config.home;
  const homeVault = homeVaultOf(config, clock);
  const onFailure = (error: unknown) => logger.warn({ error }, 'the home vault was not reread');
  const home = new ClientSecretHomeCredential({
    appId,
    authorityHost,
    secretName,
    vault: homeVault,
    unsafeAllowEmulator,
    clock,
    onRotation: (version) => logger.info({ version }, 'signing in with this version of the client secret'),
  });
  const originKeys = new HomeKeys(ORIGIN_KEY_SECRET, homeVault, clock, onFailure);
  const auditKeys = new HomeKeys(AUDIT_KEY_SECRET, homeVault, clock, onFailure);
  await home.load();
  await Promise.all([originKeys.load(), auditKeys.load()]);
  const [auditKey] = auditKeys.current();
  if (!auditKey) throw new Error('no audit key');
  const options = {
    home,
    appId,
    unsafeAllowEmulator,
    deadlineMs: config.vault.deadlineSeconds * 1_000,
    revocationBoundSeconds: config.revocation.boundSeconds,
    tokenMaxAgeSeconds: config.revocation.tokenMaxAgeSeconds,
    clock,
  };
  const vault = new KeyVault(options);
  const openProbe = () => new AzureTenantProbe({ ...options, authorityHost, vaultScope });
  const contextDigest = (context: Buffer) => createHmac('sha256', auditKey).update(context).digest('base64url');
  return { vault, originKeys, contextDigest, openProbe };
}

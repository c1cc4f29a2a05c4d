import { type Cloud, clouds } from '../azure/cloud.ts';
import { defined } from '../lib/defined.ts';
import type { RecordObstacles } from '../tenants/record-obstacles.ts';
import { vaultHosts } from '../tenants/vault-hosts.ts';
import { consoleOf } from './console.ts';
import type { Settings } from './schema.ts';

/**
 * The configuration as the service's parts use it: every default applied, durations in
 * milliseconds, each host and file named once.
 */
export type Config = ReturnType<typeof resolveConfig>;

/** The machine, or the container. */
export interface Machine {
  /** Memory limits depend on it. */
  readonly memoryBytes?: number | undefined;
  /** Cores that may be used; `http.processes: auto` starts as many processes. */
  readonly cores?: number | undefined;
}

/** Returns the configuration of checked settings, with the share of one process in each limit. */
export function resolveConfig(settings: Settings, { memoryBytes, cores = 1 }: Machine = {}) {
  const processes = settings.http.processes === 'auto' ? cores : settings.http.processes;
  const cloud = cloudOf(settings.cloud);
  const isEmulated = settings.emulator !== undefined;
  const { identity, managedIdentityClientId, ...home } = settings.home;
  const { intervalSeconds, ...rounds } = settings.rounds;
  const { maxAgeSeconds, ...dataKeys } = settings.dataKeys;
  const { deadlineSeconds } = settings.vault;
  const { keepShippedSeconds, ...audit } = settings.audit;
  const { checkpointSeconds, ...receipts } = settings.receipts;
  return {
    http: httpOf(settings.http, processes, memoryBytes),
    callers: settings.callers,
    home,
    /**
     * The identity of the machine: it signs in to the home vault and, if configured, to the
     * database.
     */
    platform: {
      identity,
      managedIdentityClientId,
      authorityHost: cloud.authorityHost,
      deadlineMs: inMs(deadlineSeconds),
    },
    cloud,
    /** Addresses that count as a vault's. */
    vaultHosts: vaultHosts({
      suffixes: [...new Set([cloud.vaultSuffix, cloud.managedHsmSuffix])],
      ingestionSuffix: cloud.ingestionSuffix,
      unsafeAllowEmulator: isEmulated,
      homeVaultUrl: home.vaultUrl,
    }),
    registry: settings.registry,
    database: databaseOf(settings.database),
    rounds: { ...rounds, maxConcurrent: share(rounds.maxConcurrent, processes), intervalMs: inMs(intervalSeconds) },
    accelerator: settings.accelerator,
    dataKeys: { ...dataKeys, maxAgeMs: inMs(maxAgeSeconds) },
    branchKeys: branchKeysOf(settings),
    obstacles: obstaclesOf(settings),
    siem: settings.siem,
    /** The default of tenants; absent for none. */
    quota: settings.quota.operations === undefined && settings.quota.bytes === undefined ? undefined : settings.quota,
    revocation: {
      boundMs: inMs(settings.revocation.boundSeconds),
      tokenMaxAgeMs: inMsIf(settings.revocation.tokenMaxAgeSeconds),
    },
    vault: vaultOf(settings.vault, processes),
    audit: {
      ...audit,
      keepShippedMs: inMs(keepShippedSeconds),
      database: audit.database ?? settings.database.url !== undefined,
    },
    receipts: { ...receipts, checkpointMs: inMs(checkpointSeconds) },
    onboarding: settings.onboarding,
    /** Absent if the console is off. */
    console: consoleOf(settings),
    metrics: settings.metrics,
    telemetry: settings.telemetry,
    emulator: settings.emulator,
    unsafeAllowEmulator: isEmulated,
  } as const;
}

/**
 * Returns the addresses of the deployment's one cloud. The schema has checked that a custom one
 * names its own.
 */
function cloudOf({ name, exchangeAudience, ...custom }: Settings['cloud']): Cloud {
  const published = clouds[name === 'custom' ? 'public' : name];
  const audience = exchangeAudience ?? published.exchangeAudience;
  if (name !== 'custom') return { ...published, exchangeAudience: audience };
  const {
    authorityHost = '',
    graphEndpoint = authorityHost,
    vaultSuffix = '',
    managedHsmSuffix = vaultSuffix,
    ingestionSuffix = published.ingestionSuffix,
  } = custom;
  return { authorityHost, graphEndpoint, vaultSuffix, managedHsmSuffix, ingestionSuffix, exchangeAudience: audience };
}

const MIB = 2 ** 20;
/** Memory of the process without any request, including V8's heap and the loaded code. */
const IDLE_BYTES = 256 * MIB;
/** A body is held as bytes, text, objects and answer before it is released. */
const COPIES = 8;
/**
 * Smaller limits could not hold a few bodies at once, and larger ones would be shed by the wait
 * instead.
 */
const BUFFERED_BYTES = { min: 16 * MIB, unknown: 128 * MIB, max: 1_024 * MIB };

/** Returns the number of bytes of bodies that fit into the memory. */
function bufferedBytes(memoryBytes: number | undefined, maxPlaintextBytes: number): number {
  const { min, unknown, max } = BUFFERED_BYTES;
  const fitting = memoryBytes === undefined ? unknown : Math.floor((memoryBytes - IDLE_BYTES) / COPIES);
  return Math.max(min, Math.min(fitting, max), 4 * maxPlaintextBytes);
}

/** Returns the part of a limit that one of several processes has. */
const share = (limit: number, processes: number, least = 1): number => Math.max(least, Math.floor(limit / processes));

/** Fewer concurrent requests could not be shared fairly among tenants; the schema has the same. */
const LEAST_CONCURRENT = 8;

function httpOf(settings: Settings['http'], processes: number, memoryBytes: number | undefined) {
  const {
    certificateFile,
    keyFile,
    clientCaFile,
    callerRequestsPerSecond,
    callerBurst,
    drainSeconds,
    queueTargetSeconds,
    ...http
  } = settings;
  return {
    ...http,
    processes,
    reusePort: http.reusePort || processes > 1,
    maxConcurrent: share(http.maxConcurrent, processes, LEAST_CONCURRENT),
    drainMs: inMs(drainSeconds),
    queueTargetMs: inMs(queueTargetSeconds),
    maxBufferedBytes:
      http.maxBufferedBytes === undefined
        ? bufferedBytes(memoryBytes && memoryBytes / processes, http.maxPlaintextBytes)
        : share(http.maxBufferedBytes, processes, 4 * http.maxPlaintextBytes),
    /** Absent for plain HTTP. */
    certificate:
      certificateFile !== undefined && keyFile !== undefined ? { certificateFile, keyFile, clientCaFile } : undefined,
    /** Absent if callers are not limited. */
    callerRates:
      callerRequestsPerSecond === 0
        ? undefined
        : {
            requestsPerSecond: callerRequestsPerSecond / processes,
            burst: Math.max(1, (callerBurst ?? 2 * callerRequestsPerSecond) / processes),
          },
  } as const;
}

/** Returns the settings of calls to vaults. */
function vaultOf({ deadlineSeconds, budgetPerSecond, budgetBurst, ...vault }: Settings['vault'], processes: number) {
  return {
    ...vault,
    deadlineMs: inMs(deadlineSeconds),
    maxConcurrent: share(vault.maxConcurrent, processes),
    /** All processes of the deployment. */
    processes: vault.processes * processes,
    budgetPerSecond: budgetPerSecond && budgetPerSecond / processes,
    budgetBurst: budgetBurst && share(budgetBurst, processes),
  };
}

function branchKeysOf({ branchKeys }: Settings) {
  const { epochSeconds, settleSeconds, recheckSeconds, copies } = branchKeys;
  return {
    epochMs: inMs(epochSeconds),
    settleMs: inMs(settleSeconds),
    recheckMs: inMs(recheckSeconds),
    copies,
  } as const;
}

/** Returns the reasons that records may not have some members in this deployment. */
const obstaclesOf = ({ branchKeys: { copies }, registry, database, siem }: Settings): RecordObstacles => ({
  compact: compactObstacle(copies !== undefined, registry.file !== undefined && database.url === undefined),
  siem: siem.enabled ? undefined : 'needs siem.enabled in the configuration',
});

/**
 * Returns the reason. With a file of tenants, each machine may have an SQLite database of its own,
 * and messages of one would not open on another.
 */
function compactObstacle(hasCopies: boolean, isOwnDatabase: boolean): string | undefined {
  if (isOwnDatabase) return 'compact needs tenants in the database, or PostgreSQL: set database.url';
  return hasCopies ? undefined : 'compact needs copies of the branch keys: set branchKeys.copies';
}

/** Returns the settings of SQLite's file, or of PostgreSQL. */
function databaseOf({ url, ...settings }: Settings['database']) {
  const { directUrl, file, password, tls, caFile, maxConnections, statementTimeoutSeconds, migrate } = settings;
  const mode = tls ?? (caFile === undefined ? undefined : 'verify-full');
  const postgres =
    url === undefined
      ? undefined
      : {
          url,
          directUrl,
          tls: mode && defined({ mode, caFile }),
          maxConnections,
          statementTimeoutMs: inMs(statementTimeoutSeconds),
        };
  return { sqlite: { file }, postgres, password, migrate } as const;
}

const inMs = (seconds: number): number => seconds * 1_000;
const inMsIf = (seconds: number | undefined): number | undefined => (seconds === undefined ? undefined : inMs(seconds));

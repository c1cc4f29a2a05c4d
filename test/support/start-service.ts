import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import supertest from 'supertest';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { enableBranchKeys } from '../../src/cli/commands/branch-keys.ts';
import { createReceiptsKey } from '../../src/cli/commands/init.ts';
import { openHome } from '../../src/compose/home.ts';
import { startService as composeService } from '../../src/compose/service.ts';
import { openStore } from '../../src/compose/store.ts';
import type { Config } from '../../src/config/resolved.ts';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import type { Deadlines } from '../../src/http/server/deadlines.ts';
import { createLogger, silentLogger } from '../../src/telemetry/logger.ts';
import { tenantSchema } from '../../src/tenants/record-schema.ts';
import { configOf, settingsFor } from './config.ts';
import { rsaKeys } from './rsa-keys.ts';
import { TestClock } from './test-clock.ts';

/**
 * A service under test. Its clock is moved by tests; it starts at the real time, because the
 * emulator's tokens do.
 */
export interface TestService extends AsyncDisposable {
  readonly url: string;
  /** Address of the metrics; '' if they are disabled. */
  readonly metricsUrl: string;
  readonly emulator: Emulator;
  readonly clock: TestClock;
  readonly logLines: readonly string[];
  readonly folder: string;
  readonly config: Config;
  /** Posts with a token of all roles, unless another is given; '' for none. */
  post(path: string, body: unknown, token?: string): supertest.Test;
  request(): ReturnType<typeof supertest>;
  token(): string;
  /** Returns the operations that reached one of the emulator's listeners, in order. */
  vaultCalls(at: string): readonly string[];
  auditRecords(): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
}

export interface TestServiceOptions {
  /** Overrides the configuration. */
  readonly config?: Record<string, unknown>;
  /** Tenants by subject. The emulator's own callers may name all. */
  readonly limits?: Readonly<Record<string, readonly string[]>>;
  /** Tenants are in SQLite instead of a file. */
  readonly inDatabase?: boolean;
  /** Secrets of the home vault that are added to the default ones or replace them. */
  readonly homeSecrets?: Readonly<Record<string, string>>;
  readonly deadlines?: Deadlines;
  /**
   * Tenants are in SQLite, their data keys are compact, and a branch key encrypts as soon as it is
   * made, once the database is `enabled`.
   */
  readonly compact?: 'enabled' | 'not-enabled';
  /** The console is on, signed in by the emulator; its redirect URIs are for the test to register. */
  readonly console?: boolean;
  /** Changes each tenant's record. */
  readonly tenant?: (record: Record<string, unknown>) => Record<string, unknown>;
}

export const ALL_ROLES = [
  'Data.Encrypt',
  'Data.Decrypt',
  'Data.Index',
  'Keys.Wrap',
  'Keys.Unwrap',
  'Keys.Lease',
  'Tenants.Read',
  'Tenants.Manage',
  'Audit.Read',
];

/**
 * Starts the whole service, composed as in production, on a free port against an emulated Azure of
 * its own.
 */
export async function startService(options: TestServiceOptions = {}): Promise<TestService> {
  const clock = new TestClock('running');
  const emulator = await startEmulator({ firstPort: 0, now: () => clock.wallMs(), rsaKeys: rsaKeys() });
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-'));
  const site: Site = {
    emulator,
    clock,
    folder,
    close: async () => {
      await emulator.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    return await startAt(site, options);
  } catch (error) {
    await site.close();
    throw error;
  }
}

/** Creates the key of checkpoints, and leaves the service the right to use it. */
async function addReceiptsKey(config: Config, { control }: Emulator): Promise<void> {
  const principal = 'managed-identity';
  await control.grantRole({ vault: 'home', role: 'Key Vault Crypto Officer', principal });
  await createReceiptsKey(config, openHome(config), () => undefined);
  await control.removeRole({ vault: 'home', role: 'Key Vault Crypto Officer', principal });
  await control.grantRole({ vault: 'home', role: 'Key Vault Crypto User', key: config.receipts.keyName, principal });
}

/** The environment of a service. */
interface Site {
  readonly emulator: Emulator;
  readonly clock: TestClock;
  readonly folder: string;
  close(): Promise<void>;
}

async function startAt(site: Site, options: TestServiceOptions): Promise<TestService> {
  const { emulator, clock, folder } = site;
  trust(emulator);
  const homeKeys = { 'vaultspan-origin-key': newSecretKey(), 'vaultspan-audit-key': newSecretKey() };
  for (const [name, value] of Object.entries({ ...homeKeys, ...options.homeSecrets })) {
    await emulator.control.setSecret({ vault: 'home', name, value });
  }
  const tenants = tenantsOf(emulator, options.compact ? withCompactKeys(options.tenant) : options.tenant);
  const isInDatabase = options.inDatabase === true || options.compact !== undefined;
  await writeFile(join(folder, 'tenants.json'), JSON.stringify(tenants));
  const config = configOf({
    ...settingsFor(emulator, folder, options.limits),
    ...(isInDatabase && { registry: {} }),
    ...(options.compact && { branchKeys: branchKeysIn(folder) }),
    ...(options.console && consoleSettings(emulator)),
    ...options.config,
    audit: { directory: join(folder, 'audit'), ...(options.config?.['audit'] as object | undefined) },
  });
  if (isInDatabase) await register(config, tenants, options.compact === 'enabled');
  if (config.receipts.origin !== undefined) await addReceiptsKey(config, emulator);
  const logLines: string[] = [];
  const logger = createLogger('debug', (line) => logLines.push(line));
  const token = await emulator.issueCallerToken({ roles: ALL_ROLES });
  const service = await composeService({
    config,
    logger,
    clock,
    jitter: () => 0, // renewals at half of the bound, for exact counts
    ...(options.deadlines && { deadlines: options.deadlines }),
  });
  const agent = supertest(service.url);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= service.stop();
    return stopped;
  };
  return {
    url: service.url,
    metricsUrl: service.metricsUrl ?? '',
    emulator,
    clock,
    logLines,
    folder,
    config,
    post: (path, body, bearer = token) => {
      const test = agent.post(path).set('Content-Type', 'application/json');
      if (bearer !== '') test.set('Authorization', `Bearer ${bearer}`);
      return test.send(typeof body === 'string' ? body : JSON.stringify(body));
    },
    request: () => agent,
    token: () => token,
    vaultCalls: (at) =>
      emulator.control
        .requests()
        .filter((entry) => entry.at === at)
        .map((entry) => entry.operation),
    auditRecords: () => auditRecords(join(folder, 'audit')),
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await site.close();
    },
  };
}

/** Trusts the emulator's CA and gives the SDK its managed identity's address, in this process. */
function trust(emulator: Emulator): void {
  setDefaultCACertificates([...getCACertificates('default'), emulator.caPem]);
  process.env['IDENTITY_ENDPOINT'] = emulator.managedIdentity.endpoint;
  process.env['IDENTITY_HEADER'] = emulator.managedIdentity.header;
}

async function register(config: Config, { tenants }: ReturnType<typeof tenantsOf>, isEnabled: boolean): Promise<void> {
  const home = openHome(config);
  const store = await openStore(config, home, silentLogger());
  const schema = tenantSchema(config.vaultHosts);
  try {
    for (const tenant of tenants) await store.tenants.put(schema.parse(tenant), undefined, 'test');
    if (isEnabled) await enableBranchKeys(home, store.keyring.keys);
  } finally {
    await store.close();
  }
}

/** Returns the settings of branch keys that encrypt at once, with copies in the folder. */
export const branchKeysIn = (folder: string): object => ({
  settleSeconds: 0,
  recheckSeconds: 1,
  copies: { directory: join(folder, 'copies') },
});

/** Returns the settings of the console. */
const consoleSettings = (emulator: Emulator) => ({
  console: {
    enabled: true,
    clientId: emulator.consoleClientId,
    authority: `${emulator.authorityHost}/${emulator.homeTenantId}`,
  },
});

type ChangeRecord = NonNullable<TestServiceOptions['tenant']>;

/** Returns a change that also makes every data key of a record compact. */
function withCompactKeys(change: ChangeRecord = (record) => record): ChangeRecord {
  return (record) => {
    const keys = Object.entries(record['keys'] as Record<string, { readonly use: string }>);
    const compact = keys.map(([alias, key]) => [alias, key.use === 'data' ? { ...key, form: 'compact' } : key]);
    return change({ ...record, keys: Object.fromEntries(compact) });
  };
}

export function tenantsOf(
  emulator: Emulator,
  change: TestServiceOptions['tenant'] = (record) => record,
): { readonly tenants: readonly object[] } {
  const tenants = emulator.customers.map(({ name, tenantId, vaultUrl, keys }) => ({
    id: name,
    entraTenantId: tenantId,
    keys: Object.fromEntries(keys.map((key) => [key, { vaultUrl, name: key, use: key === 'wrap' ? 'wrap' : 'data' }])),
    defaultKey: 'data',
  }));
  return { tenants: tenants.map(change) };
}

async function auditRecords(directory: string): Promise<Record<string, unknown>[]> {
  const files = (await readdir(directory)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')));
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ type }) => type === 'event');
}

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type Home, openHome } from '../../compose/home.ts';
import { startService } from '../../compose/service.ts';
import { openStore } from '../../compose/store.ts';
import { ConfigError } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import { type Emulator, startEmulator } from '../../emulator/emulator.ts';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { didYouMean } from '../../lib/nearest.ts';
import { boundedOutput } from '../../telemetry/log-output.ts';
import { createLogger, silentLogger } from '../../telemetry/logger.ts';
import type { LogsIngestion } from '../../tenants/record.ts';
import { tenantSchema } from '../../tenants/record-schema.ts';
import { aborted } from '../support/aborted.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { assertUsable } from '../support/dev-folder.ts';
import { welcome } from '../support/dev-welcome.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';
import { readConfig } from '../support/read-config.ts';
import { enableBranchKeys } from './branch-keys.ts';
import { createHomeKeys, createReceiptsKey } from './init.ts';

const FIRST_EMULATOR_PORT = 8443;
/** Alias and name of the key whose messages are compact. */
const COMPACT = 'compact';

export const dev: Command = {
  name: 'dev',
  summary: 'Run the service against an emulated Azure on this machine, without any setup',
  help: `
Usage: vaultspan dev [--port N] [--emulator-port N] [--log-level LEVEL] [--reset]

Starts an emulated Azure (Entra, a home vault, four customers with their own vaults) and the service. All state is
kept in .vaultspan/, so ciphertexts stay usable after a restart. Other commands find the running service through .vaultspan/config.yaml.

  --port N            port of the service; default 8080
  --emulator-port N   first of the emulator's ports: N Entra, N+1 home vault, N+2… customers, N-1 control; default ${FIRST_EMULATOR_PORT}
  --log-level LEVEL   trace, debug, info, warn (default), error, fatal or silent
  --reset             delete .vaultspan/ first: keys, ciphertexts and the audit log of earlier runs are lost`,
  async run(args, io) {
    const options = {
      port: { type: 'string' },
      'emulator-port': { type: 'string', default: String(FIRST_EMULATOR_PORT) },
      'log-level': { type: 'string' },
      reset: { type: 'boolean', default: false },
    } as const;
    const { values, positionals } = readArguments(args, options);
    noArguments(positionals);
    // Command line options override the environment.
    const { VAULTSPAN_HTTP_PORT, VAULTSPAN_TELEMETRY_LOG_LEVEL, ...env } = io.env;
    const firstPort = portOf(values['emulator-port'], 'emulator-port');
    const port = portOf(values.port ?? (VAULTSPAN_HTTP_PORT || '8080'), 'port');
    const logLevel = levelOf(values['log-level'] ?? (VAULTSPAN_TELEMETRY_LOG_LEVEL || 'warn'));
    const folder = resolve(io.cwd, '.vaultspan');
    await assertUsable(folder, firstPort, values.reset);
    if (values.reset) await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const emulator = await startEmulator({ stateFile: join(folder, 'emulator.json'), firstPort });
    try {
      emulator.registerConsole(['127.0.0.1', 'localhost'].map((host) => `http://${host}:${port}/console/`));
      await writeFiles(folder, emulator, port, logLevel);
      const config = readConfig(join(folder, 'config.yaml'), { ...io, env }, '1');
      prepareForEmulator(config, io);
      const home = openHome(config);
      await createHomeKeys(home, () => undefined);
      await addCompactKey(emulator);
      const rule = await ruleOf(emulator);
      await emulator.control.grantRole({
        vault: 'home',
        role: 'Key Vault Crypto Officer',
        principal: 'managed-identity',
      });
      await createReceiptsKey(config, home, () => undefined);
      await registerDemo(config, home, emulator, rule);
      const service = await startService({
        config,
        logger: createLogger(config.telemetry.logLevel, boundedOutput(io.stdoutBytes())),
      });
      io.stdout(welcome(service.url, emulator));
      await aborted(io.signal);
      await service.stop(io.hurry);
    } finally {
      await emulator.close();
    }
    return 0;
  },
};

function portOf(text: string, name: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port <= 65_000) return port;
  throw new ConfigError(`--${name} must be a port between 1 and 65000, not ${text}`);
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

function levelOf(text: string): string {
  if (LOG_LEVELS.includes(text)) return text;
  throw new ConfigError(
    `--log-level must be one of ${LOG_LEVELS.join(', ')}, not ${text}${didYouMean(text, LOG_LEVELS)}`,
  );
}

/** Adds a second data key to contoso's vault, whose messages are compact. */
async function addCompactKey({ customers, control }: Emulator): Promise<void> {
  const contoso = customers.find(({ name }) => name === 'contoso');
  if (contoso?.keys.includes(COMPACT) === false) await control.createKey({ vault: 'contoso', key: COMPACT });
}

/** Returns contoso's data collection rule, a new one at the first start. */
const ruleOf = ({ control }: Emulator): Promise<LogsIngestion> => control.addRule({ tenant: 'contoso' });

/** Registers the emulated customers as tenants at the first start; later changes to them stay. */
async function registerDemo(config: Config, home: Home, emulator: Emulator, rule: LogsIngestion): Promise<void> {
  const schema = tenantSchema(config.vaultHosts);
  const store = await openStore(config, home, silentLogger());
  try {
    for (const record of tenantsOf(emulator, rule))
      await store.tenants.put(schema.parse(record), undefined, 'dev').catch(isThere);
    await enableBranchKeys(home, store.keyring.keys);
  } finally {
    await store.close();
  }
}

function isThere(error: unknown): void {
  if (!(error instanceof ServiceError) || error.code !== 'tenant-exists') throw error;
}

/** Writes the configuration of this run. */
async function writeFiles(folder: string, emulator: Emulator, port: number, logLevel: string): Promise<void> {
  const write = (name: string, content: string) => writeFile(join(folder, name), content, { mode: 0o600 });
  await write('ca.pem', emulator.caPem);
  await write('config.yaml', stringify(configOf(emulator, port, logLevel)));
  await write('callers.yaml', stringify(callersOf(emulator)));
}

function configOf(emulator: Emulator, port: number, logLevel: string): object {
  return {
    http: { port },
    callers: [{ issuer: emulator.callerIssuer, audience: [emulator.callerAudience] }],
    home: {
      tenantId: emulator.homeTenantId,
      appId: emulator.appId,
      vaultUrl: emulator.homeVaultUrl,
      secretName: emulator.appSecretName,
      identity: 'managed-identity',
    },
    cloud: { name: 'custom', authorityHost: emulator.authorityHost, vaultSuffix: '.vault.azure.net' },
    branchKeys: { settleSeconds: 0, copies: { directory: 'copies' } }, // keys are used as soon as they are made
    revocation: { boundSeconds: 5 }, // so that a customer's actions take effect at once
    audit: { directory: 'audit', database: true },
    siem: { enabled: true },
    console: {
      enabled: true,
      clientId: emulator.consoleClientId,
      authority: `${emulator.authorityHost}/${emulator.homeTenantId}`,
    },
    onboarding: {
      url: `http://127.0.0.1:${port}`,
      vendorName: 'Example Vendor',
      vendorContact: 'help@vendor.example',
      egressAddresses: ['203.0.113.7', '203.0.113.64/28'],
    },
    receipts: { origin: 'localhost/vaultspan', checkpointSeconds: 5 }, // so that a checkpoint comes soon
    telemetry: { logLevel },
    emulator: {
      unsafeAllowEmulator: true,
      caFile: 'ca.pem',
      identityEndpoint: emulator.managedIdentity.endpoint,
      identityHeader: emulator.managedIdentity.header,
      signInUrl: emulator.signInUrl,
    },
  };
}

const callersOf = (emulator: Emulator): object => ({
  tokenEndpoint: `${emulator.authorityHost}/${emulator.homeTenantId}/oauth2/v2.0/token`,
  caFile: 'ca.pem',
  callers: Object.fromEntries(
    emulator.callers.map(({ name, clientId, clientSecret, scope }) => [name, { clientId, clientSecret, scope }]),
  ),
});

/**
 * Returns a tenant for each emulated customer; a key named `wrap` serves wrap and unwrap, any other
 * seals data.
 */
const tenantsOf = (emulator: Pick<Emulator, 'customers'>, rule: LogsIngestion): readonly object[] =>
  emulator.customers.map(({ name, tenantId, vaultUrl, keys }) =>
    defined({
      id: name,
      displayName: name.charAt(0).toUpperCase() + name.slice(1),
      entraTenantId: tenantId,
      keys: Object.fromEntries(
        keys.map((key) => [
          key,
          defined({
            vaultUrl,
            name: key,
            use: key === 'wrap' ? 'wrap' : 'data',
            form: key === COMPACT ? COMPACT : undefined,
          }),
        ]),
      ),
      defaultKey: 'data',
      indexes: name === 'contoso' ? { email: { normalize: 'nfc' } } : undefined,
      leases: name === 'contoso' ? { maxSeconds: 300 } : undefined,
      siem: name === 'contoso' ? { logsIngestion: rule } : undefined,
      graph: name === 'contoso' ? { organization: true, users: true, groups: true } : undefined,
    }),
  );

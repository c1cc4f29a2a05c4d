import { existsSync, readFileSync } from 'node:fs';
import { issuerTrouble } from '../../callers/issuer-keys.ts';
import { type Home, homeCredentialOf, openHome } from '../../compose/home.ts';
import { openHomeKeys } from '../../compose/home-keys.ts';
import { openReceiptsKey } from '../../compose/receipts.ts';
import { databaseMistake, namingSettings } from '../../compose/setting-mistakes.ts';
import { databaseOptions } from '../../compose/store.ts';
import { ConfigError, loadConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import { assertMigrated, SchemaError } from '../../database/migrations/migrations.ts';
import { openDatabase } from '../../database/open-database.ts';
import { ServiceError } from '../../errors.ts';
import { readCertificate } from '../../http/server/certificate-files.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../telemetry/logger.ts';
import { readTenantList } from '../../tenants/tenant-list.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';

export const checkConfig: Command = {
  name: 'check-config',
  summary: 'Check the configuration and the list of tenants',
  help: `
Usage: vaultspan check-config [--online] [--config FILE]

Reads the configuration and the tenants as serve does, and prints every problem with its location, and the effective settings. An unknown
variable VAULTSPAN_… is an error here; other commands only warn.

  --online       also test what serve needs: the app's credential and its expiry, the keys of the home vault, the database
                 and its schema, and each issuer's discovery document and keys
  --config FILE  the configuration

Exit codes: 0 usable, 1 a test of --online failed, 2 the configuration is invalid.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      config: { type: 'string' },
      online: { type: 'boolean', default: false },
    });
    noArguments(positionals);
    const { env, cwd, memoryBytes, cores } = io;
    const config = loadConfig({ path: values.config, env, cwd, memoryBytes, cores });
    io.stdout(
      [
        `listens     ${config.http.host}:${config.http.port}, TLS ${config.http.tls}`,
        `processes   ${describeProcesses(config)}`,
        ...(await describeCertificate(config)),
        `app         ${config.home.appId}, signs in at ${config.cloud.authorityHost} with ${config.home.credential}`,
        `home vault  ${config.home.vaultUrl}, opened by ${config.platform.identity} identity`,
        `callers     ${config.callers.map(({ issuer }) => issuer).join(', ')}`,
        `revocation  within ${config.revocation.boundMs / 1_000} s of Azure's refusal`,
        `audit       ${describeAudit(config)}`,
        `receipts    ${describeReceipts(config)}`,
        `siem        ${config.siem.enabled ? `to hosts of ${config.cloud.ingestionSuffix}` : 'off'}`,
        `console     ${describeConsole(config)}`,
        `otlp logs   ${config.siem.otlpEndpoint ?? 'off'}`,
        `metrics     ${describeMetrics(config)}`,
        `memory      bodies may take ${config.http.processes > 1 ? `${config.http.processes} × ` : ''}${Math.floor(config.http.maxBufferedBytes / 2 ** 20)} MiB of ${Math.floor(io.memoryBytes / 2 ** 20)} MiB`,
        `tenants     ${tenantsOf(config)}`,
        '',
      ].join('\n'),
    );
    return values.online ? checkOnline(config, io) : 0;
  },
};

const describeProcesses = ({ http: { processes, maxConcurrent } }: Config): string =>
  processes === 1 ? '1' : `${processes}, each for at most ${maxConcurrent} concurrent requests`;

async function describeCertificate({ http }: Config): Promise<string[]> {
  if (!http.certificate) return [];
  const { clientCaFile } = http.certificate;
  const { subject, validFrom, validTo } = await readCertificate(http.certificate);
  const isValid = validFrom.getTime() <= Date.now() && Date.now() <= validTo.getTime();
  return [
    `certificate ${subject.replaceAll('\n', ', ')}, ${isValid ? 'valid' : 'NOT VALID NOW:'} from ${validFrom.toISOString()} to ${validTo.toISOString()}`,
    ...(clientCaFile === undefined
      ? []
      : [`clients     must present a certificate of an authority in ${clientCaFile}`]),
  ];
}

const describeConsole = ({ console }: Config): string =>
  console ? `/console, signs in at ${console.page.authority} for ${console.page.scopes[0]}` : 'off';

function describeAudit(config: Config): string {
  const { directory, durability, retentionDays } = config.audit;
  const database = config.database.postgres ? 'PostgreSQL' : 'SQLite';
  const place = config.audit.database ? `${directory}, and from there to ${database}` : directory;
  const kept = retentionDays === undefined ? 'for ever' : `for ${retentionDays} days`;
  return `${place}; durability ${durability}, kept ${kept}`;
}

function describeReceipts({ receipts: { origin, keyName, checkpointMs } }: Config): string {
  if (origin === undefined) return 'off';
  return `${origin}/tenants/…, signed with ${keyName} every ${checkpointMs / 1_000} s`;
}

function describeMetrics({ metrics: { enabled, host, port, tenantLabels } }: Config): string {
  if (!enabled) return 'off';
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`;
  return tenantLabels ? `${address}, also by tenant` : address;
}

function tenantsOf(config: Config): string {
  const { file } = config.registry;
  if (file === undefined)
    return config.database.postgres ? 'in PostgreSQL' : `in ${config.database.sqlite.file} (SQLite)`;
  const list = readTenantList(file, readBytes(file), config.vaultHosts, new Date().toISOString(), config.obstacles);
  return `${list.size} in ${file}`;
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`Cannot read the list of tenants: ${file}`, [Error.isError(error) ? error.message : '']);
  }
}

interface Outcome {
  readonly text: string;
  readonly isFailed: boolean;
}

/** Tries each part that the service needs, all of them even if one fails. Returns the exit code. */
async function checkOnline(config: Config, io: CommandIo): Promise<number> {
  prepareForEmulator(config, io);
  const home = openHome(config);
  const checks = [
    ['credential', () => describeCredential(config, home)],
    ['origin key', () => describeHomeKeys(config, home)],
    ['database', () => describeDatabase(config, home)],
    ...(config.receipts.origin === undefined ? [] : [['receipts', () => describeReceiptsKey(config, home)] as const]),
    ...config.callers.map((caller) => ['issuer', () => describeIssuer(caller)] as const),
  ] as const;
  // All at once: a server that never answers costs one deadline, not one for each part.
  const outcomes = checks.map(([name, check]) => ({ name, outcome: outcomeOf(check) }));
  let exitCode = 0;
  for (const { name, outcome } of outcomes) {
    io.progress(`waiting for the test of the ${name}`);
    const { text, isFailed } = await outcome;
    if (isFailed) exitCode = 1;
    io.stdout(`${name.padEnd(11)} ${text}\n`);
  }
  return exitCode;
}

async function outcomeOf(check: () => Promise<string | Outcome>): Promise<Outcome> {
  try {
    const found = await check();
    return typeof found === 'string' ? { text: found, isFailed: false } : found;
  } catch (error) {
    return { text: `FAILED: ${failureText(error)}`, isFailed: true };
  }
}

function failureText(error: unknown): string {
  if (!(error instanceof ServiceError)) return Error.isError(error) ? error.message : 'for an unknown reason';
  const { code, reason, message, fix } = error;
  return `${message} (${reason ?? code})${fix ? `\n            ${fix.action}` : ''}`;
}

async function describeIssuer(caller: Config['callers'][number]): Promise<string> {
  const trouble = await issuerTrouble(caller);
  if (trouble !== undefined) throw new Error(`${caller.issuer}: ${trouble}`);
  return `${caller.issuer}: keys read`;
}

async function describeHomeKeys(config: Config, home: Home): Promise<string> {
  const { originKeys } = await openHomeKeys(config, home, silentLogger(), systemClock);
  return `${originKeys.current().length} usable, and the audit key${config.rounds.webhookUrl === undefined ? '' : ' and the webhook key'}`;
}

/** Signs an empty text, which is no checkpoint. */
async function describeReceiptsKey(config: Config, home: Home): Promise<string> {
  const key = openReceiptsKey({ config, home });
  const { version, mark } = await key.read();
  await key.sign(version, '');
  return `${config.receipts.keyName} signs with version ${version}${mark === undefined ? ', for the first time' : ''}`;
}

async function describeDatabase(config: Config, home: Home): Promise<string> {
  const { postgres, sqlite, migrate } = config.database;
  if (!postgres && !existsSync(sqlite.file)) return `${sqlite.file} will be created`;
  return namingSettings(async () => {
    const database = await openDatabase(databaseOptions(config, home));
    try {
      await assertMigrated(database);
      return 'reachable, with the schema of this version';
    } catch (error) {
      if (!(error instanceof SchemaError) || error.isNewer || migrate !== 'at-start') throw error;
      return 'reachable; serve migrates its schema when it starts';
    } finally {
      await database.close();
    }
  }, databaseMistake(config));
}

/**
 * Returns whether the credential can sign in, and each of its versions.
 * @throws ServiceError if they cannot be read
 */
async function describeCredential(config: Config, home: Home): Promise<Outcome> {
  const credential = homeCredentialOf(config, home, silentLogger());
  const { kind, name, versions, unusable, federation } = await credential.describe();
  const lines = versions.map(({ version, expires, thumbprint }) => {
    const parts = [
      expires ? `expires ${expires.toISOString()}` : 'never expires',
      ...(thumbprint ? [`thumbprint ${thumbprint}`] : []),
    ];
    return `            version ${version}: ${parts.join(', ')}`;
  });
  lines.push(...unusable.map(({ version, reason }) => `            version ${version}: NOT USABLE, ${reason}`));
  if (federation) {
    lines.push(
      `            federated: issuer ${federation.issuer}, subject ${federation.subject}, audience ${federation.audience}`,
    );
  }
  const loaded = await outcomeOf(async () => {
    await credential.load();
    return `${kind}${name === undefined ? '' : ` ${name}`}`;
  });
  return { ...loaded, text: [loaded.text, ...lines].join('\n') };
}

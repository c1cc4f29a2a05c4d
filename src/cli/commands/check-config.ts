import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { issuerTrouble } from '../../callers/issuer-keys.ts';
import { homeCredentialOf, openHome } from '../../compose/home.ts';
import { ConfigError, loadConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import { readCertificate } from '../../http/server/certificate-files.ts';
import { silentLogger } from '../../telemetry/logger.ts';
import { readTenantList } from '../../tenants/tenant-list.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';

export const checkConfig: Command = {
  name: 'check-config',
  summary: 'Check the configuration and the list of tenants',
  help: `
Usage: vaultspan check-config [--online] [--config FILE]

Reads the configuration and the tenants as serve would, tells everything that is wrong with them at once, each with its place,
and what is in force. With --online it also reads the app's credential from the home vault, says when it expires, and asks each
issuer of callers' tokens for its discovery document and its keys.
Exit codes: 0 usable, 1 the credential or an issuer is not, 2 the configuration is not.`,
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: { config: { type: 'string' }, online: { type: 'boolean', default: false } },
    });
    const config = loadConfig({ path: values.config, env: io.env, cwd: io.cwd });
    io.stdout(
      [
        `listens     ${config.http.host}:${config.http.port}, TLS ${config.http.tls}`,
        ...(await describeCertificate(config)),
        `app         ${config.home.appId}, signing in at ${config.cloud.authorityHost} by ${config.home.credential}`,
        `home vault  ${config.home.vaultUrl}, opened by ${config.platform.identity} identity`,
        `callers     ${config.callers.map(({ issuer }) => issuer).join(', ')}`,
        `revocation  within ${config.revocation.boundMs / 1_000} s of Azure's own refusal`,
        `audit       ${describeAudit(config)}`,
        `metrics     ${describeMetrics(config)}`,
        `tenants     ${tenantsOf(config)}`,
        '',
      ].join('\n'),
    );
    if (!values.online) return 0;
    io.stdout(await describeCredential(config, io));
    const { text, isUsable } = await describeCallers(config);
    io.stdout(text);
    return isUsable ? 0 : 1;
  },
};

async function describeCertificate({ http }: Config): Promise<string[]> {
  if (!http.certificate) return [];
  const { clientCaFile } = http.certificate;
  const { subject, validFrom, validTo } = await readCertificate(http.certificate);
  const isValid = validFrom.getTime() <= Date.now() && Date.now() <= validTo.getTime();
  return [
    `certificate ${subject.replaceAll('\n', ', ')}, ${isValid ? 'valid' : 'NOT VALID NOW:'} from ${validFrom.toISOString()} to ${validTo.toISOString()}`,
    ...(clientCaFile === undefined ? [] : [`clients     must show a certificate of an authority in ${clientCaFile}`]),
  ];
}

function describeAudit(config: Config): string {
  const { directory, durability, retentionDays } = config.audit;
  const place = config.audit.database ? `${directory}, and from there into PostgreSQL` : directory;
  const kept = retentionDays === undefined ? 'for ever' : `for ${retentionDays} days`;
  return `${place}; durability ${durability}, kept ${kept}`;
}

function describeMetrics({ metrics: { enabled, host, port, tenantLabels } }: Config): string {
  if (!enabled) return 'off';
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`;
  return tenantLabels ? `${address}, by tenant too` : address;
}

function tenantsOf(config: Config): string {
  const { file } = config.registry;
  if (file === undefined)
    return config.database.postgres ? 'in PostgreSQL' : `in ${config.database.sqlite.file} (SQLite)`;
  const list = readTenantList(readText(file), config.vaultHosts, new Date().toISOString());
  return `${list.size} in ${file}`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`The list of tenants can't be read: ${file}`, [Error.isError(error) ? error.message : '']);
  }
}

async function describeCallers({ callers }: Config): Promise<{ readonly text: string; readonly isUsable: boolean }> {
  const troubles = await Promise.all(callers.map(issuerTrouble));
  const lines = callers.map(({ issuer }, index) => `issuer      ${issuer}: ${troubles[index] ?? 'keys read'}\n`);
  return { text: lines.join(''), isUsable: troubles.every((trouble) => trouble === undefined) };
}

async function describeCredential(config: Config, io: CommandIo): Promise<string> {
  prepareForEmulator(config, io);
  const credential = homeCredentialOf(config, openHome(config), silentLogger());
  await credential.load();
  const { kind, name, versions, federation } = await credential.describe();
  const lines = versions.map(({ version, expires, thumbprint }) => {
    const parts = [
      expires ? `expires ${expires.toISOString()}` : 'never expires',
      ...(thumbprint ? [`thumbprint ${thumbprint}`] : []),
    ];
    return `            version ${version}: ${parts.join(', ')}`;
  });
  if (federation) {
    lines.push(
      `            federated: issuer ${federation.issuer}, subject ${federation.subject}, audience ${federation.audience}`,
    );
  }
  return [`credential  ${kind}${name === undefined ? '' : ` ${name}`}`, ...lines, ''].join('\n');
}

import { createHmac } from 'node:crypto';
import type { AzureObserver } from '../azure/call-outcomes.ts';
import { type Cloud, clouds } from '../azure/cloud.ts';
import { AzureTenantProbe } from '../azure/doctor/tenant-probe.ts';
import { TenantCredential } from '../azure/entra/tenant-credential.ts';
import { GraphDirectory } from '../azure/graph/graph.ts';
import type { ConfiguredHomeCredential } from '../azure/home/home-credential.ts';
import { createHomeCredential } from '../azure/home/home-credential-kinds.ts';
import { exchangeAudiences } from '../azure/home/home-credential-managed-identity.ts';
import { AUDIT_KEY_SECRET, HomeKeys, ORIGIN_KEY_SECRET, WEBHOOK_KEY_SECRET } from '../azure/home/home-keys.ts';
import { HomeVault } from '../azure/home/home-vault.ts';
import { platformCredential } from '../azure/home/platform-credential.ts';
import { KeyVault } from '../azure/vault/key-vault.ts';
import type { VaultLimits } from '../azure/vault/vault-gate.ts';
import { VaultGates } from '../azure/vault/vault-gates.ts';
import { UNITS_AT_ONCE, UNITS_PER_SECOND } from '../azure/vault/vault-quota.ts';
import type { Config } from '../config/load-config.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Tenant } from '../tenants/record.ts';
import { type VaultHosts, vaultHosts } from '../tenants/vault-hosts.ts';

/** Parts that the service and the commands that work in process both build from the configuration. */

/** Addresses of the deployment's one cloud. */
export function cloudOf({ cloud }: Pick<Config, 'cloud'>): Cloud {
  if (cloud.name !== 'custom') return clouds[cloud.name];
  const { authorityHost = '', graphEndpoint = authorityHost, vaultSuffix = '', managedHsmSuffix = vaultSuffix } = cloud;
  return { authorityHost, graphEndpoint, vaultSuffix, managedHsmSuffix };
}

export function hostsOf(config: Pick<Config, 'cloud' | 'emulator'>): VaultHosts {
  const { vaultSuffix, managedHsmSuffix } = cloudOf(config);
  return vaultHosts([...new Set([vaultSuffix, managedHsmSuffix])], config.emulator !== undefined);
}

export function homeVaultOf(config: Config, clock: Clock = systemClock): HomeVault {
  return new HomeVault({
    vaultUrl: config.home.vaultUrl,
    credential: platformOf(config),
    unsafeAllowEmulator: config.emulator !== undefined,
    deadlineMs: config.vault.deadlineSeconds * 1_000,
    clock,
  });
}

export const platformOf = (config: Config) => platformCredential({ ...config.home, ...cloudOf(config) });

export function homeCredentialOf(
  config: Config,
  logger: Logger,
  clock: Clock = systemClock,
  observer?: AzureObserver,
): ConfiguredHomeCredential {
  const { home, cloud } = config;
  return createHomeCredential({
    ...home,
    kind: home.credential,
    authorityHost: cloudOf(config).authorityHost,
    vault: homeVaultOf(config, clock),
    platform: platformOf(config),
    unsafeAllowEmulator: config.emulator !== undefined,
    exchangeAudience: cloud.exchangeAudience ?? exchangeAudiences[cloud.name === 'custom' ? 'public' : cloud.name],
    deadlineMs: config.vault.deadlineSeconds * 1_000,
    clock,
    observer,
    onRotation: (version) => logger.info({ version }, 'signing in with this version of the credential'),
    onUnusable: (version, error) => logger.warn({ version, error }, 'a version of the credential is not usable'),
  });
}

/** Everything that calls Azure. The secrets of the home vault are read before this resolves. @throws ServiceError */
export async function openAzure(config: Config, logger: Logger, clock: Clock, observer?: AzureObserver) {
  const unsafeAllowEmulator = config.emulator !== undefined;
  const { authorityHost, graphEndpoint, vaultSuffix } = cloudOf(config);
  const vaultScope = `https://${vaultSuffix.slice(1)}/.default`;
  const { appId } = config.home;
  const homeVault = homeVaultOf(config, clock);
  const onFailure = (error: unknown) => logger.warn({ error }, 'the home vault was not reread');
  const home = homeCredentialOf(config, logger, clock, observer);
  const originKeys = new HomeKeys(ORIGIN_KEY_SECRET, homeVault, clock, onFailure);
  const auditKeys = new HomeKeys(AUDIT_KEY_SECRET, homeVault, clock, onFailure);
  await home.load();
  await Promise.all([originKeys.load(), auditKeys.load()]);
  const webhookKeys = new HomeKeys(WEBHOOK_KEY_SECRET, homeVault, clock, onFailure);
  if (config.rounds.webhookUrl !== undefined) await webhookKeys.load();
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
    observer,
  };
  const gates = new VaultGates({
    limits: vaultLimitsOf(config.vault),
    clock,
    observer: {
      onBreaker: (host, isOpen) =>
        isOpen
          ? logger.warn({ host }, 'vault circuit breaker opened')
          : logger.info({ host }, 'vault circuit breaker closed'),
      onRationed: (host, rationing) => logger.debug({ host, rationing }, 'a call to a vault was not made'),
    },
  });
  const vault = new KeyVault({ ...options, gates });
  const openProbe = () => new AzureTenantProbe({ ...options, authorityHost, graphEndpoint, vaultScope });
  const contextDigest = (context: Buffer) => createHmac('sha256', auditKey).update(context).digest('base64url');
  // Signs in once for each reading: a consent given a moment ago counts, and no token stays behind.
  const credentialOf = ({ entraTenantId }: Pick<Tenant, 'entraTenantId'>) =>
    new TenantCredential({ home, appId, entraTenantId, tokenMaxAgeMs: 0, clock, observer });
  const directory = new GraphDirectory({ graphEndpoint, appId, credentialOf, deadlineMs: options.deadlineMs, clock });
  const [webhookKey] = webhookKeys.current();
  const homeCredentialExpiry = () => expiryOfHome(home, config);
  return { vault, gates, originKeys, webhookKey, contextDigest, openProbe, directory, homeCredentialExpiry };
}

/** Calls count 1 each in a budget that the operator has set; else they count by the quota of their key. */
function vaultLimitsOf({ maxConcurrent, processes, budgetPerSecond, budgetBurst }: Config['vault']): VaultLimits {
  if (budgetPerSecond === undefined) {
    const budget = {
      budgetPerSecond: UNITS_PER_SECOND / processes,
      budgetBurst: Math.max(1, UNITS_AT_ONCE / processes),
    };
    return { maxConcurrent, ...budget, isWeighted: true };
  }
  return {
    maxConcurrent,
    budgetPerSecond,
    budgetBurst: budgetBurst ?? Math.max(1, 2 * budgetPerSecond),
    isWeighted: false,
  };
}

/** In seconds since 1970. Reads the home vault anew, so that a version stored since the start shows before it is needed. */
async function expiryOfHome(
  home: ConfiguredHomeCredential,
  { home: { credential } }: Config,
): Promise<number | undefined> {
  if (credential === 'managed-identity') return undefined; // nothing of it is ours to renew
  await home.load();
  const { expires } = await home.describe();
  return expires && expires.getTime() / 1_000;
}

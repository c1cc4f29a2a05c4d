import { checkEvent } from '../audit/siem/ocsf.ts';
import type { AzureObserver } from '../azure/call-outcomes.ts';
import { AzureTenantProbe } from '../azure/doctor/tenant-probe.ts';
import { SignIns } from '../azure/entra/sign-ins.ts';
import { TenantCredential } from '../azure/entra/tenant-credential.ts';
import { GraphDirectory } from '../azure/graph/graph.ts';
import type { ConfiguredHomeCredential } from '../azure/home/home-credential.ts';
import { LogsIngestion } from '../azure/siem/logs-ingestion.ts';
import { ColdStarts } from '../azure/vault/cold-starts.ts';
import { KeyVault, type KeyVaultOptions } from '../azure/vault/key-vault.ts';
import type { VaultLimits } from '../azure/vault/vault-gate.ts';
import { VaultGates } from '../azure/vault/vault-gates.ts';
import { UNITS_AT_ONCE, UNITS_PER_SECOND } from '../azure/vault/vault-quota.ts';
import type { Config } from '../config/resolved.ts';
import { TaggedKeys } from '../keyring/tagged-keys.ts';
import type { Clock } from '../lib/clock.ts';
import { packageVersion } from '../lib/package-version.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Tenant } from '../tenants/record.ts';
import { type Home, homeCredentialOf } from './home.ts';
import { openHomeKeys } from './home-keys.ts';

export type Azure = Awaited<ReturnType<typeof openAzure>>;

/**
 * Part of a vault call's deadline, so that a hanging sign-in is reported before the call itself
 * times out.
 */
const SIGN_IN_PART = 0.7;

/**
 * Returns all parts that call Azure, after reading the home vault's secrets.
 * @throws ServiceError
 */
export async function openAzure(
  config: Config,
  home: Home,
  logger: Logger,
  clock: Clock,
  observer?: AzureObserver,
  hooks: Pick<KeyVaultOptions, 'onUnwrap' | 'onCall'> = {},
) {
  const credential = homeCredentialOf(config, home, logger, clock, observer);
  await credential.load();
  const homeKeys = await openHomeKeys(config, home, logger, clock);
  const signInsOptions = {
    home: credential,
    appId: config.home.appId,
    timeoutMs: config.vault.deadlineMs * SIGN_IN_PART,
    clock,
    observer,
  };
  const signIns = new SignIns(signInsOptions);
  const access = { ...accessOf(config, signIns, clock, observer), ...hooks };
  const ingestion = openIngestion(config, new SignIns(signInsOptions), clock);
  const gates = openGates(config, logger, clock);
  const { authorityHost, graphEndpoint, vaultSuffix } = config.cloud;
  const vaultScope = `https://${vaultSuffix.slice(1)}/.default`;
  const { requireTenantTag } = config.vault;
  const tryIngestion = (tenant: Tenant) => sendCheck(ingestion, clock, tenant);
  const vault = new KeyVault({ ...access, gates, coldStarts: new ColdStarts(clock) });
  return {
    ...homeKeys,
    gates,
    vault,
    keys: requireTenantTag ? new TaggedKeys(vault, clock) : vault,
    openProbe: () =>
      new AzureTenantProbe({ ...access, requireTenantTag, authorityHost, graphEndpoint, vaultScope, tryIngestion }),
    ingestion,
    directory: openDirectory(config, signIns, clock),
    homeCredentialExpiry: () => expiryOfHome(credential, config),
    degradedHome: () => [...homeKeys.degradedKeys(), ...(credential.trouble() === undefined ? [] : ['app-credential'])],
  };
}

/** Returns the dependencies of a sign-in to a customer and a call of its vault. */
const accessOf = (config: Config, signIns: SignIns, clock: Clock, observer?: AzureObserver) => ({
  signIns,
  unsafeAllowEmulator: config.unsafeAllowEmulator,
  deadlineMs: config.vault.deadlineMs,
  revocationBoundMs: config.revocation.boundMs,
  tokenMaxAgeMs: config.revocation.tokenMaxAgeMs,
  clock,
  observer,
});

function openGates({ vault }: Pick<Config, 'vault'>, logger: Logger, clock: Clock): VaultGates {
  return new VaultGates({
    limits: vaultLimitsOf(vault),
    clock,
    observer: {
      onBreaker: (host, isOpen) =>
        isOpen
          ? logger.warn({ host }, 'vault circuit breaker opened')
          : logger.info({ host }, 'vault circuit breaker closed'),
      onRationed: (host, rationing) => logger.debug({ host, rationing }, 'a call to a vault was not made'),
    },
  });
}

/**
 * Returns the limits of vaults. Calls count 1 each in a budget that the operator has set; otherwise
 * they count by the quota of their key.
 */
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

/** Tokens serve at most this long, so that a revoked role and a disabled app end the deliveries. */
const INGESTION_TOKEN_MS = 300_000;

const openIngestion = ({ cloud, vault: { deadlineMs } }: Config, signIns: SignIns, clock: Clock): LogsIngestion =>
  new LogsIngestion({
    signIns,
    resource: `https://${cloud.ingestionSuffix.replace('.ingest.', '')}`,
    deadlineMs,
    tokenMaxAgeMs: INGESTION_TOKEN_MS,
    clock,
  });

/** Sends one event that stands for no record, for the doctor. */
async function sendCheck(ingestion: LogsIngestion, clock: Clock, tenant: Tenant): Promise<void> {
  if (!tenant.siem) return;
  const at = new Date(clock.wallMs()).toISOString();
  await ingestion.send({ ...tenant, rule: tenant.siem.logsIngestion }, [checkEvent(tenant.id, packageVersion(), at)]);
}

function openDirectory(
  { cloud: { graphEndpoint }, home: { appId }, vault: { deadlineMs } }: Config,
  signIns: SignIns,
  clock: Clock,
): GraphDirectory {
  // Returns a credential that signs in once for each reading: it sees recent consent, and leaves no
  // token behind.
  const credentialOf = ({ entraTenantId }: Pick<Tenant, 'entraTenantId'>) =>
    new TenantCredential({ signIns, entraTenantId, tokenMaxAgeMs: 0, clock });
  return new GraphDirectory({ graphEndpoint, appId, credentialOf, deadlineMs, clock });
}

/**
 * Returns seconds since 1970. Rereads the home vault, so that a new version shows before it is
 * needed.
 */
async function expiryOfHome(
  home: ConfiguredHomeCredential,
  { home: { credential } }: Pick<Config, 'home'>,
): Promise<number | undefined> {
  if (credential === 'managed-identity' || credential === 'workload-identity') return undefined; // there is nothing of ours to renew
  await home.load();
  const { expires } = await home.describe();
  return expires && expires.getTime() / 1_000;
}

import type { AzureObserver } from '../azure/call-outcomes.ts';
import type { ConfiguredHomeCredential } from '../azure/home/home-credential.ts';
import { createHomeCredential } from '../azure/home/home-credential-kinds.ts';
import { HomeVault } from '../azure/home/home-vault.ts';
import { platformCredential } from '../azure/home/platform-credential.ts';
import type { Config } from '../config/resolved.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';

/** The vendor's own side of Azure, once for each process. */
export interface Home {
  /** The identity of this machine. */
  readonly platform: ReturnType<typeof platformCredential>;
  /** The platform's identity signs in to it. */
  readonly vault: HomeVault;
}

/** Returns the parts of the vendor's own Azure; no call is made before it is needed. */
export function openHome(
  config: Pick<Config, 'home' | 'platform' | 'vault' | 'unsafeAllowEmulator'>,
  clock: Clock = systemClock,
): Home {
  const platform = platformCredential(config.platform);
  const vault = new HomeVault({
    vaultUrl: config.home.vaultUrl,
    credential: platform,
    unsafeAllowEmulator: config.unsafeAllowEmulator,
    deadlineMs: config.vault.deadlineMs,
    clock,
  });
  return { platform, vault };
}

/**
 * Returns the credential of the app, which signs in to customers' directories; `load` it before
 * use.
 */
export function homeCredentialOf(
  config: Pick<Config, 'home' | 'cloud' | 'vault' | 'unsafeAllowEmulator'>,
  { platform, vault }: Home,
  logger: Logger,
  clock: Clock = systemClock,
  observer?: AzureObserver,
): ConfiguredHomeCredential {
  const { authorityHost, exchangeAudience } = config.cloud;
  return createHomeCredential({
    ...config.home,
    kind: config.home.credential,
    authorityHost,
    exchangeAudience,
    vault,
    platform,
    unsafeAllowEmulator: config.unsafeAllowEmulator,
    deadlineMs: config.vault.deadlineMs,
    clock,
    observer,
    onRotation: (version) => logger.info({ version }, 'signing in with this version of the credential'),
    onUnusable: (version, error) => logger.warn({ version, error }, 'a version of the credential is not usable'),
  });
}

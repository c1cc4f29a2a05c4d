import { BELL_KEY_SECRET, HomeKeys } from '../../azure/home/home-keys.ts';
import { ServiceError } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { bellFor, renewBell } from '../../tenants/bells.ts';
import type { Tools } from '../support/open-tools.ts';

/**
 * Returns the bell of a tenant, or a new one in its place.
 * @throws ServiceError, `home-credential-rejected` if no usable key gives the bell that it has
 */
export async function tenantBell(
  { home, bells, tenants }: Pick<Tools, 'home' | 'bells' | 'tenants'>,
  tenantId: string,
  action: 'show' | 'renew',
): Promise<string> {
  await tenants.get(tenantId);
  const keys = new HomeKeys({
    name: BELL_KEY_SECRET,
    vault: home.vault,
    clock: systemClock,
    onTrouble: () => undefined,
    onRecovery: () => undefined,
  });
  await keys.load();
  const bell = await (action === 'show' ? bellFor : renewBell)(bells, keys.current(), tenantId);
  if (bell === undefined) throw lostBell(tenantId);
  return bell;
}

const lostBell = (tenantId: string): ServiceError =>
  new ServiceError('home-credential-rejected', `No usable version of ${BELL_KEY_SECRET} gives the tenant's bell`, {
    fix: {
      owner: 'vendor',
      action: 'Enable the version that made it, or make a new bell and give it to the customer',
      command: `vaultspan bell renew ${tenantId}`,
    },
  });

/** Returns the address of a tenant's bell; undefined if the home vault has no usable key for bells. */
export async function doorbellOf(tools: Pick<Tools, 'config' | 'home' | 'bells' | 'tenants'>, tenantId: string) {
  try {
    return bellAddress(tools.config, await tenantBell(tools, tenantId, 'show'));
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'home-credential-rejected') return undefined;
    throw error;
  }
}

/** Returns the address at which a customer rings a bell. */
export const bellAddress = ({ onboarding: { url } }: Tools['config'], bell: string): string =>
  `${url ?? 'https://YOUR-SERVICE'}/doorbell/${bell}`;

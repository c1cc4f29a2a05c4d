import { BELL_KEY_SECRET, HomeKeys } from '../../azure/home/home-keys.ts';
import { ServiceError } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { bellDigest, bellOf } from '../../tenants/bells.ts';
import type { Tools } from '../support/open-tools.ts';

/**
 * Returns the bell of a tenant, or its next one, once the service knows it.
 * @throws ServiceError
 */
export async function tenantBell(
  { home, bells, tenants }: Pick<Tools, 'home' | 'bells' | 'tenants'>,
  tenantId: string,
  step: 0 | 1,
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
  const [key] = keys.current();
  if (!key) throw new Error('no bell key');
  const generation = ((await bells.find(tenantId))?.generation ?? 0) + step;
  const made = bellOf(key, tenantId, generation);
  await bells.put(tenantId, generation, bellDigest(made) ?? '');
  return made;
}

/** Returns the address of a tenant's bell; undefined if the home vault has no usable key for bells. */
export async function doorbellOf(tools: Pick<Tools, 'config' | 'home' | 'bells' | 'tenants'>, tenantId: string) {
  try {
    return bellAddress(tools.config, await tenantBell(tools, tenantId, 0));
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'home-credential-rejected') return undefined;
    throw error;
  }
}

/** Returns the address at which a customer rings a bell. */
export const bellAddress = ({ onboarding: { url } }: Tools['config'], bell: string): string =>
  `${url ?? 'https://YOUR-SERVICE'}/doorbell/${bell}`;

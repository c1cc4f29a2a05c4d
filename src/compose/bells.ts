import type { HomeKeys } from '../azure/home/home-keys.ts';
import { ChangeFollower } from '../database/tables/change-follower.ts';
import { bellChanges } from '../database/tables/revocations.ts';
import type { CachedDataKeys } from '../keyring/cached-data-keys.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type BellStore, bellFor } from '../tenants/bells.ts';
import type { Tenant } from '../tenants/record.ts';
import type { Azure } from './azure.ts';
import type { Store } from './store.ts';

/** The bells of tenants, rung here and in other processes. */
export interface Bells extends BellStore {
  close(): Promise<void>;
}

export interface BellsParts {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly azure: Pick<Azure, 'vault'>;
  readonly store: Pick<Store, 'tenants' | 'bells' | 'keyring'>;
  readonly keys: { readonly dataKeys: Pick<CachedDataKeys, 'forget'> };
}

const REFRESH_MS = 60_000;

/**
 * Follows the bells from now on.
 * @throws ServiceError `registry-unavailable`
 */
export async function openBells({ logger, clock, azure, store, keys }: BellsParts): Promise<Bells> {
  // A sign-in proves nothing after the bell either: the app may be disabled.
  const forget = async (tenantId: string) => {
    keys.dataKeys.forget(tenantId);
    const found = Promise.try(() => store.tenants.get(tenantId));
    const tenant = await found.catch((): Tenant | undefined => undefined);
    if (tenant) azure.vault.forget(tenant);
    logger.info({ tenantId }, 'the doorbell rang: keys and proofs of a tenant were dropped');
  };
  const follower = new ChangeFollower({
    source: bellChanges,
    database: store.keyring.database,
    clock,
    refreshMs: REFRESH_MS,
    origin: store.keyring.origin,
    onChange: (tenantId) => tenantId !== undefined && void forget(tenantId),
    onConfirmed: () => undefined,
    onTrouble: (trouble, error) => logger.warn({ trouble, error }, 'doorbells of other processes do not arrive'),
    onRecovery: (trouble) => logger.info({ trouble }, 'doorbells of other processes arrive again'),
  });
  await follower.start();
  return {
    ...store.bells,
    ring: async (digest) => {
      const ring = await store.bells.ring(digest);
      if (typeof ring === 'string') return ring;
      follower.wrote(ring.sequence);
      await forget(ring.tenantId);
      return ring;
    },
    close: () => follower.close(),
  };
}

/**
 * Returns a function that returns the address of a tenant's doorbell; undefined for a bell that the
 * keys of the home vault do not give.
 */
export function doorbellsAt(
  url: string,
  keys: Pick<HomeKeys, 'reread' | 'current'>,
  bells: Pick<BellStore, 'find' | 'put'>,
): (tenantId: string) => Promise<string | undefined> {
  return async (tenantId) => {
    const versions = await keys.reread().catch(() => keys.current());
    const bell = await bellFor(bells, versions, tenantId);
    return bell === undefined ? undefined : `${url}/doorbell/${bell}`;
  };
}

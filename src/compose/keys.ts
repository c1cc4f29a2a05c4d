import type { Config } from '../config/resolved.ts';
import type { Gcm } from '../format/aes-gcm.ts';
import { CachedDataKeys } from '../keyring/cached-data-keys.ts';
import type { Clock } from '../lib/clock.ts';
import { systemRandom } from '../lib/random.ts';
import { makeIndexKeys } from '../operations/indexes/change-index.ts';
import { FailureLog } from '../telemetry/failure-log.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type CountKeyUse, KeyUsage, type ShownKeyUse } from '../tenants/key-usage.ts';
import type { Tenant } from '../tenants/record.ts';
import type { Azure } from './azure.ts';
import type { Branches } from './branches.ts';
import type { Store } from './store.ts';

/** The data keys in this process's memory, and the counts of their uses. */
export interface Keys {
  readonly dataKeys: CachedDataKeys;
  /** Counts since the start, for metrics. */
  readonly keyUses: Readonly<Record<'sealed' | 'opened', number>>;
  readonly countKeyUse: CountKeyUse;
  readonly keyUsageOf: (tenantId: string) => Promise<readonly ShownKeyUse[]>;
  /** Makes the first keys of a tenant's indexes in the background; a failure is logged. */
  readonly makeIndexKeys: (tenant: Tenant) => void;
  /** Stores the last counts. */
  close(): Promise<void>;
}

export interface KeysParts {
  readonly config: Pick<Config, 'dataKeys' | 'revocation' | 'vault'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly jitter: () => number;
  readonly gcm: Gcm;
  readonly azure: Pick<Azure, 'keys' | 'vault' | 'originKeys'>;
  readonly store: Pick<Store, 'tenants' | 'keyUsage'>;
  readonly branches: Pick<Branches, 'parts' | 'restored'>;
}

export function openKeys({ config, logger, clock, jitter, gcm, azure, store, branches }: KeysParts): Keys {
  const renewals = new FailureLog({
    write: (fields) => logger.warn(fields, 'a data key was not renewed in advance'),
  });
  const dataKeys = new CachedDataKeys({
    wrapper: azure.keys,
    originKeys: azure.originKeys,
    gcm,
    draw: systemRandom,
    jitter,
    clock,
    bounds: config.dataKeys,
    revocationBoundMs: config.revocation.boundMs,
    branches: branches.parts,
    onBackgroundFailure: (error) => renewals.add({}, error),
  });
  dropKeysOfChanged(dataKeys, azure, store, logger);
  const usage = new KeyUsage({
    store: store.keyUsage,
    wallMs: () => clock.wallMs(),
    onFailure: (error) => logger.warn({ error }, 'uses of keys were not stored yet'),
  });
  const keyUses = { sealed: 0, opened: 0 };
  return {
    dataKeys,
    keyUses,
    countKeyUse: (tenantId, keyId, use, times = 1) => {
      keyUses[use] += times;
      usage.count(tenantId, keyId, use, times);
    },
    keyUsageOf: (tenantId) => usage.of(tenantId),
    makeIndexKeys: (tenant) =>
      void branches
        .restored() // a key in the copies must not be made anew
        .then(() => makeIndexKeys(dataKeys, tenant))
        .catch((error: unknown) =>
          logger.warn({ tenantId: tenant.id, error }, 'keys of indexes were not made; the next check tries again'),
        ),
    close: async () => {
      await renewals.close();
      await usage.close();
    },
  };
}

/**
 * Drops keys after a change. A suspended tenant loses its keys and its token at once. A changed
 * tenant's keys are replaced at their next use, by their revision.
 */
function dropKeysOfChanged(
  dataKeys: CachedDataKeys,
  { vault }: KeysParts['azure'],
  { tenants }: KeysParts['store'],
  logger: Logger,
): void {
  const drop = async (tenantId: string | undefined) => {
    if (tenantId === undefined) return;
    dataKeys.forget(tenantId);
    const tenant = await tenants.get(tenantId);
    if (tenant.state === 'suspended') vault.forget(tenant);
  };
  tenants.onChange(
    (tenantId) =>
      void drop(tenantId).catch((error: unknown) => logger.debug({ error }, 'keys of a deleted tenant were dropped')),
  );
}

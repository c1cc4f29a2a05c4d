import type { Config } from '../config/resolved.ts';
import { ChangeFollower } from '../database/tables/change-follower.ts';
import { drillChanges } from '../database/tables/revocations.ts';
import type { Gcm } from '../format/aes-gcm.ts';
import { CachedDataKeys } from '../keyring/cached-data-keys.ts';
import type { Clock } from '../lib/clock.ts';
import { systemRandom } from '../lib/random.ts';
import { takePart } from '../operations/drills/take-part.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { DrillStore } from '../tenants/drills.ts';
import type { Audit } from './audit.ts';
import type { Azure } from './azure.ts';
import type { Keys } from './keys.ts';
import type { Store } from './store.ts';

/** The drills of all tenants, in which this process takes part. */
export interface Drills {
  readonly store: DrillStore;
  close(): Promise<void>;
}

export interface DrillsParts {
  readonly config: Pick<Config, 'dataKeys' | 'revocation'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly gcm: Gcm;
  readonly azure: Pick<Azure, 'openProbe' | 'originKeys'>;
  readonly store: Pick<Store, 'tenants' | 'drills' | 'keyring'>;
  readonly audit: Pick<Audit, 'sink'>;
  readonly keys: Pick<Keys, 'dataKeys'>;
}

const REFRESH_MS = 60_000;
const REJOIN_MS = 1_000;

/**
 * Takes part in drills from now on, those under way included.
 * @throws ServiceError `registry-unavailable`
 */
export async function openDrills(parts: DrillsParts): Promise<Drills> {
  const { logger, clock, store } = parts;
  const { database, origin } = store.keyring;
  const closing = new AbortController();
  const taking = new Map<string, Promise<void>>();
  const deps = {
    tenants: store.tenants,
    drills: store.drills,
    audit: parts.audit.sink,
    clock,
    draw: systemRandom,
    process: origin,
    dataKeys: parts.keys.dataKeys,
    openColdKeys: () => coldKeys(parts),
  };
  const join = async (tenantId: string | undefined): Promise<void> => {
    for (const drill of await store.drills.running(tenantId)) {
      if (taking.has(drill.id) || closing.signal.aborted) continue;
      const part = takePart(deps, drill, closing.signal)
        .catch((error: unknown) => {
          logger.warn({ tenantId: drill.tenantId, error }, 'a drill was left for a second');
          setTimeout(() => joinSoon(drill.tenantId), REJOIN_MS).unref();
        })
        .finally(() => taking.delete(drill.id));
      taking.set(drill.id, part);
    }
  };
  const joinSoon = (tenantId: string | undefined) =>
    void join(tenantId).catch((error: unknown) => logger.warn({ error }, 'drills were not looked up'));
  const follower = new ChangeFollower({
    source: drillChanges,
    database,
    clock,
    refreshMs: REFRESH_MS,
    origin,
    onChange: joinSoon,
    onConfirmed: () => undefined,
    onTrouble: (trouble, error) => logger.warn({ trouble, error }, 'drills of other processes do not arrive'),
    onRecovery: (trouble) => logger.info({ trouble }, 'drills of other processes arrive again'),
  });
  await follower.start();
  await join(undefined);
  return {
    store: {
      ...store.drills,
      start: async (drill) => {
        const sequence = await store.drills.start(drill);
        if (typeof sequence === 'string') return sequence;
        follower.wrote(sequence);
        await join(drill.tenantId);
        return sequence;
      },
    },
    close: async () => {
      closing.abort();
      await follower.close();
      await Promise.all(taking.values());
    },
  };
}

/** Returns empty keys, whose vault calls come with a sign-in of their own. */
function coldKeys({ config, clock, gcm, azure }: DrillsParts): CachedDataKeys {
  const probe = azure.openProbe();
  return new CachedDataKeys({
    wrapper: {
      readKey: (tenant, key) => probe.probeKey(tenant, key),
      wrapKey: (...asked) => probe.wrapKey(...asked),
      unwrapKey: (...asked) => probe.unwrapKey(...asked),
    },
    originKeys: azure.originKeys,
    gcm,
    draw: systemRandom,
    jitter: () => 0,
    clock,
    bounds: config.dataKeys,
    revocationBoundMs: config.revocation.boundMs,
    onBackgroundFailure: () => undefined,
  });
}

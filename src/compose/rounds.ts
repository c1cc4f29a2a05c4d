import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config } from '../config/resolved.ts';
import type { Clock } from '../lib/clock.ts';
import { moveOutdatedKeys } from '../operations/branches/move-branch-keys.ts';
import { examine } from '../operations/doctor/check-tenant.ts';
import { Rounds, type Visited } from '../rounds/rounds.ts';
import { Webhook } from '../rounds/webhook.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { RoundsMetrics } from '../telemetry/rounds-metrics.ts';
import type { Azure } from './azure.ts';
import type { Keys } from './keys.ts';
import type { Store } from './store.ts';

export interface RoundsParts {
  readonly config: Pick<Config, 'rounds'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly store: Store;
  readonly azure: Azure;
  readonly keys: Pick<Keys, 'dataKeys' | 'makeIndexKeys'>;
  readonly metrics: RoundsMetrics | undefined;
}

const POLL_MS = 1_000;

/** Starts the rounds, unless they are disabled; `close` waits for the current visits. */
export function startRounds({ config, logger, clock, store, azure, keys, metrics }: RoundsParts): {
  close(): Promise<void>;
} {
  const { claims } = store;
  if (!config.rounds.enabled) return { close: () => Promise.resolve() };
  const webhook = openWebhook({ config, logger, clock, azure, metrics });
  const rounds = new Rounds({
    tenants: store.tenants,
    claims,
    examine: (tenant) => examine({ ...keys, openProbe: azure.openProbe, clock, lastCheck: claims.lastCheck }, tenant),
    owner: `${hostname()} ${randomUUID()}`,
    intervalMs: config.rounds.intervalMs,
    maxConcurrent: config.rounds.maxConcurrent,
    pollMs: POLL_MS,
    wallMs: () => clock.wallMs(),
    onVisited: (visited) => {
      keys.dataKeys.reread(visited.tenant.id);
      if (visited.check.state === 'passed') keys.makeIndexKeys(visited.tenant);
      metrics?.visited(visited.check.code, visited.isChanged);
      report(visited, logger, webhook);
    },
    upkeep: async (tenant) => {
      const moved = await moveOutdatedKeys({ keyring: store.keyring, dataKeys: keys.dataKeys, clock }, tenant);
      if (moved) logger.info({ tenantId: tenant.id, ...moved }, 'branch keys were moved to the newest key version');
    },
    onTrouble: (error) => {
      metrics?.visitFailed();
      logger.warn({ error }, 'a check failed; it is retried when its lease ends');
    },
  });
  rounds.start();
  return {
    close: async () => {
      await rounds.stop();
      await webhook?.close();
    },
  };
}

function report(visited: Visited, logger: Logger, webhook: Webhook | undefined): void {
  const { tenant, check, isChanged, previous } = visited;
  logger.debug({ tenantId: tenant.id, state: check.state }, 'tenant checked');
  if (!isChanged) return;
  logger.info(
    { tenantId: tenant.id, state: check.state, previousState: previous?.state },
    'the state of a tenant changed',
  );
  webhook?.send(visited);
}

function openWebhook({
  config,
  logger,
  clock,
  azure: { webhookKey: key },
  metrics,
}: Omit<RoundsParts, 'store' | 'keys'>): Webhook | undefined {
  const { webhookUrl } = config.rounds;
  if (webhookUrl === undefined || !key) return undefined;
  return new Webhook({
    url: webhookUrl,
    key,
    wallMs: () => clock.wallMs(),
    onLost: (error) => {
      metrics?.webhookLost();
      logger.error({ error }, 'a change was not delivered to the webhook');
    },
  });
}

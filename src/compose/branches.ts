import { ChangeFollower } from '../database/tables/change-follower.ts';
import { keyringChanges } from '../database/tables/keyring-keys.ts';
import type { BranchParts, CachedDataKeys } from '../keyring/cached-data-keys.ts';
import type { Clock } from '../lib/clock.ts';
import { branchEventOf } from '../operations/branches/branch-event.ts';
import { kekOf } from '../operations/open-message.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Audit } from './audit.ts';
import type { Store } from './store.ts';

/** Branch keys: the dependencies of keys in memory, and the feed that reports their changes. */
export interface Branches {
  readonly parts: BranchParts;
  /**
   * Follows changes and rechecks rows from now on.
   * @throws ServiceError `registry-unavailable`
   */
  follow(dataKeys: Pick<CachedDataKeys, 'branchesChanged' | 'recheckBranches'>): Promise<void>;
  close(): Promise<void>;
}

export interface BranchesParts {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly store: Pick<Store, 'keyring'>;
  readonly audit: Pick<Audit, 'sink'>;
}

const DAY_MS = 86_400_000;
const SETTINGS = { epochMs: DAY_MS, settleMs: 600_000, recheckMs: 60_000 };

/**
 * Returns the parts of branch keys. This version opens compact messages and restores lost branch
 * keys; it makes none, since readers ship one release before writers.
 */
export function openBranches({ logger, clock, store: { keyring }, audit }: BranchesParts): Branches {
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let follower: ChangeFollower | undefined;
  let timer: NodeJS.Timeout | undefined;
  return {
    parts: {
      store: keyring.keys,
      settings: SETTINGS,
      copies: { isRequired: true, write: async () => false },
      kekOf,
      isBound: () => false,
      confirmedAt: () => confirmedAt,
      onEvent: (event, row) => {
        const { tenantId, id, label } = row;
        const isExpected = event === 'branch-created' || event === 'branch-rewrapped';
        logger[isExpected ? 'info' : 'warn'](
          { event, tenantId, branchId: id, epoch: label },
          'a branch key was changed',
        );
        return audit.sink.record(branchEventOf(event, row));
      },
      onDisagreement: ({ tenantId, id }) =>
        logger.error({ tenantId, branchId: id }, 'a row of branch keys does not match its JWE: it was altered'),
    },
    follow: async (dataKeys) => {
      follower = new ChangeFollower({
        source: keyringChanges,
        database: keyring.database,
        clock,
        refreshMs: SETTINGS.recheckMs,
        origin: keyring.origin,
        onChange: (tenantId) => dataKeys.branchesChanged(tenantId),
        onConfirmed: (atMs, wasDeaf) => {
          if (wasDeaf) dataKeys.branchesChanged(undefined);
          confirmedAt = atMs;
        },
        onTrouble: (trouble, error) => logger.warn({ trouble, error }, 'changes of branch keys do not arrive'),
        onRecovery: (trouble) => logger.info({ trouble }, 'changes of branch keys arrive again'),
      });
      await follower.start();
      timer = setInterval(() => {
        dataKeys.recheckBranches().catch((error: unknown) => logger.warn({ error }, 'branch keys were not rechecked'));
      }, SETTINGS.recheckMs).unref();
    },
    close: async () => {
      clearInterval(timer);
      await follower?.close();
    },
  };
}

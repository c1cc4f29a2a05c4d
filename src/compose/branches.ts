import { randomUUID } from 'node:crypto';
import type { AuditSink } from '../audit/sink.ts';
import { BranchDatabase } from '../azure/home/branch-database.ts';
import type { Config } from '../config/resolved.ts';
import { ChangeFollower } from '../database/tables/change-follower.ts';
import { keyringChanges } from '../database/tables/keyring-keys.ts';
import { BranchCounts } from '../keyring/branches/branch-counts.ts';
import type { BranchCopies } from '../keyring/branches/branch-deps.ts';
import type { BranchParts, CachedDataKeys } from '../keyring/cached-data-keys.ts';
import { CopiesDirectory } from '../keyring/copies/copies-directory.ts';
import { type RestoreCopiesDeps, restoreCopies } from '../keyring/copies/restore-copies.ts';
import type { BranchEvent, NewStoredKey } from '../keyring/keyring-store.ts';
import type { Clock } from '../lib/clock.ts';
import { branchEventOf } from '../operations/branches/branch-event.ts';
import { kekOf } from '../operations/open-message.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Azure } from './azure.ts';
import type { Home } from './home.ts';
import type { Store } from './store.ts';

/** Branch keys: the dependencies of keys in memory, and the feed that reports their changes. */
export interface Branches {
  readonly parts: BranchParts;
  /** Returns the names of problems although requests are answered, for readiness. */
  degraded(): readonly string[];
  /**
   * Follows changes and rechecks rows from now on.
   * @throws ServiceError `registry-unavailable`
   */
  follow(dataKeys: Pick<CachedDataKeys, 'branchesChanged' | 'recheckBranches'>): Promise<void>;
  /**
   * Finds out whether this is the database whose keys encrypt, for a command. `follow` does it for a
   * service, which starts without an answer.
   * @throws ServiceError if the home vault cannot be read
   */
  bind(): Promise<void>;
  /** Resolves once the copies were compared with the database and the missing rows restored. */
  restored(): Promise<void>;
  close(): Promise<void>;
}

export interface BranchesParts {
  readonly config: Pick<Config, 'branchKeys'>;
  readonly home: Pick<Home, 'vault'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly store: Pick<Store, 'keyring'>;
  readonly audit: { readonly sink: Pick<AuditSink, 'record'> };
  readonly azure: Pick<Azure, 'originKeys'>;
}

/** Returns the parts of branch keys. */
export function openBranches(parts: BranchesParts): Branches {
  const { config, logger, clock, store, audit, azure } = parts;
  const { keyring } = store;
  const { copies: kept, ...settings } = config.branchKeys;
  const binding = openBinding(parts);
  const copies = openCopies(kept, clock);
  let confirmedAt = Number.NEGATIVE_INFINITY;
  const counts = new BranchCounts();
  let follower: ChangeFollower | undefined;
  let timer: NodeJS.Timeout | undefined;
  let restoring: Promise<void> | undefined;
  const onEvent = (event: BranchEvent, row: NewStoredKey) => {
    const { tenantId, id, label } = row;
    const isRestored = event === 'branch-put-back' || event === 'index-put-back';
    counts.events[event] += 1;
    logger[isRestored ? 'warn' : 'info']({ event, tenantId, branchId: id, label }, 'a stored key was changed');
    return audit.sink.record(branchEventOf(event, row));
  };
  const restore = async () => {
    if (typeof kept !== 'object') return;
    const deps: RestoreCopiesDeps = {
      store: keyring.keys,
      originKeys: azure.originKeys,
      onRestored: (key) => onEvent(key.kind === 'branch' ? 'branch-put-back' : 'index-put-back', key),
      onDamage: (file, lines) => logger.error({ file, lines }, 'copies of branch keys are damaged'),
    };
    await restoreCopies(deps, kept.directory).catch((error: unknown) =>
      logger.error({ error }, 'copies of branch keys were not compared with the database'),
    );
  };
  return {
    parts: {
      store: keyring.keys,
      settings,
      copies,
      counts,
      kekOf,
      boundTo: binding.boundTo,
      confirmedAt: () => confirmedAt,
      onEvent,
      onDisagreement: ({ tenantId, id }) => {
        counts.disagreements += 1;
        logger.error({ tenantId, branchId: id }, 'a row of branch keys does not match its JWE: it was altered');
      },
    },
    degraded: () => [
      ...(binding.trouble() === undefined ? [] : ['branch-database']),
      ...(kept === 'none' ? ['branch-copies'] : []),
      ...(counts.events['branch-put-back'] + counts.events['index-put-back'] === 0 ? [] : ['branch-keys']),
    ],
    follow: async (dataKeys) => {
      await binding.check();
      follower = new ChangeFollower({
        source: keyringChanges,
        database: keyring.database,
        clock,
        refreshMs: settings.recheckMs,
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
      restoring = restore(); // in the background: a million copies must not delay the start
      timer = setInterval(() => {
        void binding.check();
        dataKeys.recheckBranches().catch((error: unknown) => logger.warn({ error }, 'branch keys were not rechecked'));
      }, settings.recheckMs).unref();
    },
    bind: () => binding.bind(),
    restored: async () => restoring,
    close: async () => {
      clearInterval(timer);
      await restoring;
      await follower?.close();
      await copies.close();
    },
  };
}

/** The one database whose branch keys encrypt, as the home vault names it. */
interface Binding {
  /** Returns the database's id; undefined if no branch key may encrypt. */
  boundTo(): string | undefined;
  /** Compares the home vault with the database, and logs when the result changes. */
  check(): Promise<void>;
  /**
   * Compares them once.
   * @throws ServiceError if the home vault cannot be read
   */
  bind(): Promise<void>;
  /** Returns the reason that no branch key may encrypt; undefined if one may, or if none is wanted. */
  trouble(): string | undefined;
}

function openBinding({ config, home, logger, clock, store: { keyring } }: BranchesParts): Binding {
  const isWanted = config.branchKeys.copies !== undefined;
  const named = new BranchDatabase({
    vault: home.vault,
    clock,
    onUnread: (error) => logger.warn({ error }, 'the home vault was not read: which database has the branch keys?'),
  });
  let trouble: string | undefined;
  const troubleNow = async (): Promise<string | undefined> => {
    await named.refresh();
    const id = named.current();
    if (id === undefined) return 'the home vault names no database of branch keys: run vaultspan branch-keys enable';
    return id === (await keyring.keys.databaseId()) ? undefined : `the home vault names another database: ${id}`;
  };
  const check = async () => {
    if (!isWanted) return;
    const before = trouble;
    trouble = await troubleNow().catch(() => trouble); // an unreachable database is reported elsewhere
    if (trouble !== undefined && trouble !== before) logger.error({ trouble }, 'no compact messages are encrypted');
    if (trouble === undefined && before !== undefined) logger.info('compact messages are encrypted again');
  };
  return {
    boundTo: () => (isWanted ? named.current() : undefined),
    check,
    bind: async () => {
      await check();
      if (named.failure() !== undefined) throw named.failure();
    },
    trouble: () => trouble,
  };
}

type Kept = Config['branchKeys']['copies'];

function openCopies(kept: Kept, clock: Clock): BranchCopies & { close(): Promise<void> } {
  if (typeof kept !== 'object') {
    return {
      isRequired: kept !== 'none',
      write: async () => false,
      writeDestroyed: async () => undefined, // an export shows tombstones
      close: async () => undefined,
    };
  }
  const processId = randomUUID().slice(0, 8);
  const directory = new CopiesDirectory({ ...kept, processId, wallMs: () => clock.wallMs() });
  return {
    isRequired: true,
    write: async (row) => {
      await directory.append([row]);
      return true;
    },
    writeDestroyed: (keys) => directory.append(keys),
    close: () => directory.close(),
  };
}

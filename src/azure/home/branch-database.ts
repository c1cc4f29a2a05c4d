import type { Clock } from '../../lib/clock.ts';
import type { HomeVault } from './home-vault.ts';

/** Secret of the home vault: the id of the one database whose branch keys encrypt. */
export const BRANCH_DATABASE_SECRET = 'vaultspan-branch-database';
/** Content type of the secret. */
export const BRANCH_DATABASE_TYPE = 'application/vnd.vaultspan.database';
/** The name of a database changes with a migration by hand alone. */
const REREAD_MS = 10 * 60_000;
/** Until `vaultspan branch-keys enable` has run, and while the vault cannot be read. */
const RETRY_MS = 10_000;

export interface BranchDatabaseOptions {
  readonly vault: Pick<HomeVault, 'versions'>;
  readonly clock: Clock;
  readonly onUnread: (error: unknown) => void;
}

/** The database id in the home vault, in memory. A failed reading leaves it unchanged. */
export class BranchDatabase {
  readonly #options: BranchDatabaseOptions;
  #id: string | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #failure: unknown;

  constructor(options: BranchDatabaseOptions) {
    this.#options = options;
  }

  /** Returns the id; undefined as long as none is known. */
  current(): string | undefined {
    return this.#id;
  }

  /** Returns the error of the last reading; undefined if it succeeded. */
  failure(): unknown {
    return this.#failure;
  }

  /** Reads the secret again if it is time. */
  async refresh(): Promise<void> {
    const now = this.#options.clock.monotonicMs();
    const isSettled = this.#id !== undefined && this.#failure === undefined;
    if (now - this.#readAt < (isSettled ? REREAD_MS : RETRY_MS)) return;
    this.#readAt = now;
    try {
      this.#id = await readBranchDatabase(this.#options.vault);
      this.#failure = undefined;
    } catch (error) {
      if (this.#failure === undefined) this.#options.onUnread(error);
      this.#failure = error;
    }
  }
}

/**
 * Returns the database id that the home vault names; undefined without one.
 * @throws ServiceError
 */
export async function readBranchDatabase(vault: Pick<HomeVault, 'versions'>): Promise<string | undefined> {
  const { usable } = await vault.versions(BRANCH_DATABASE_SECRET, 1);
  return usable[0]?.value;
}

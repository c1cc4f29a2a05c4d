import type { Kysely } from 'kysely';
import { DatabaseTrouble } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ChangeChannel, ChangeFeed, TenantChange } from '../change-feed.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

/** What came after a change. */
export interface Changes {
  readonly sequence: number;
  /** `undefined` when there are too many to name. */
  readonly tenantIds: readonly string[] | undefined;
}

/** Where changes of one channel are numbered. */
export interface ChangeSource {
  readonly channel: ChangeChannel;
  lastSequence(db: Kysely<Schema>): Promise<number>;
  /** A number that is smaller than `since` comes with another database: every tenant may have changed. */
  changesAfter(db: Kysely<Schema>, since: number): Promise<Changes>;
}

export interface ChangeFollowerOptions {
  readonly source: ChangeSource;
  readonly database: SqlDatabase;
  readonly clock: Clock;
  readonly refreshMs: number;
  /** Name of the registry, as it stands in the changes that it wrote. */
  readonly origin: string;
  /** Another registry changed this tenant; undefined: any may have changed. */
  readonly onChange: (tenantId: string | undefined) => void;
  /** All changes before this time of the monotonic clock have been told; `wasDeaf`: after a gap in which the database may have been another one. */
  readonly onConfirmed: (atMs: number, wasDeaf: boolean) => void;
  /** Once when it begins. */
  readonly onTrouble: (trouble: string, error: DatabaseTrouble) => void;
  readonly onRecovery: (trouble: string, lastedMs: number) => void;
}

/** While something is wrong the changes are looked up this often, instead of every `refreshMs`. */
const TROUBLED_REFRESH_MS = 1_000;
const DATABASE_AWAY = 'the tenant database is unreachable: cached tenants are served for up to 5 minutes';
const FEED_AWAY = 'the connection for notifications is lost: changes are looked up every second';

/**
 * Tells of every change by another process once, as notifications come; and looks the numbers of changes up regularly, so that a lost
 * notification is made good.
 */
export class ChangeFollower {
  readonly #options: ChangeFollowerOptions;
  /** When each began, on the monotonic clock. */
  readonly #troubles = new Map<string, number>();
  #feed: ChangeFeed | undefined;
  #sequence = 0;
  #timer: NodeJS.Timeout | undefined;
  #lookingUp: Promise<void> | undefined;
  #isWrittenMeanwhile: boolean = false;
  #wasDeaf: boolean = false;
  #isClosed: boolean = false;

  constructor(options: ChangeFollowerOptions) {
    this.#options = options;
  }

  /** @throws ServiceError `registry-unavailable` */
  async start(): Promise<void> {
    const { database, source } = this.#options;
    // The feed asks for a look-up once it is connected, so that nothing is lost between the two.
    this.#sequence = await database.read((db) => source.lastSequence(db));
    this.#feed = await database.read(async (db) =>
      database.dialect.openFeed(db, source.channel, {
        changed: (change) => this.#hear(change),
        written: () => this.#lookUp(),
        connected: () => {
          this.#wasDeaf = true;
          this.#recovered(FEED_AWAY);
          this.#lookUp();
        },
        lost: (error) => this.#troubled(FEED_AWAY, error),
      }),
    );
    this.#schedule();
  }

  /** A change of this registry's own, which needs no telling. */
  wrote(sequence: number): void {
    if (sequence === this.#sequence + 1) this.#sequence = sequence; // else the next look-up tells of it once more
  }

  /** Something else found the database out of reach. */
  failed(error: Error): void {
    this.#troubled(DATABASE_AWAY, error);
  }

  trouble(): string | undefined {
    return this.#troubles.size > 0 ? [...this.#troubles.keys()].join('; ') : undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#feed?.close();
    await this.#lookingUp;
  }

  #hear({ origin, sequence, tenantId }: TenantChange): void {
    if (origin === this.#options.origin || sequence <= this.#sequence) return;
    if (sequence === this.#sequence + 1) this.#sequence = sequence;
    else this.#lookUp();
    this.#options.onChange(tenantId);
  }

  #lookUp(): void {
    this.#isWrittenMeanwhile = true;
    this.#lookingUp ??= this.#lookUpUntilQuiet().finally(() => {
      this.#lookingUp = undefined;
      this.#schedule();
    });
  }

  async #lookUpUntilQuiet(): Promise<void> {
    while (this.#isWrittenMeanwhile && !this.#isClosed) {
      this.#isWrittenMeanwhile = false;
      await this.#lookUpOnce();
    }
  }

  async #lookUpOnce(): Promise<void> {
    const { database, source, clock, onChange, onConfirmed } = this.#options;
    const startedAt = clock.monotonicMs();
    const since = this.#sequence;
    const wasDeaf = this.#wasDeaf;
    this.#wasDeaf = false;
    try {
      const { sequence, tenantIds } = await database.read((db) => source.changesAfter(db, since));
      // Meanwhile a change may have been heard, or written here; a smaller number than before comes with another database.
      this.#sequence = sequence < since ? sequence : Math.max(sequence, this.#sequence);
      for (const tenantId of tenantIds ?? [undefined]) onChange(tenantId);
      onConfirmed(startedAt, wasDeaf);
      this.#recovered(DATABASE_AWAY);
    } catch (error) {
      if (!Error.isError(error)) throw error;
      this.#wasDeaf ||= wasDeaf;
      this.#troubled(DATABASE_AWAY, error);
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const delayMs = this.#troubles.size > 0 ? TROUBLED_REFRESH_MS : this.#options.refreshMs;
    this.#timer = setTimeout(() => this.#lookUp(), delayMs).unref();
  }

  #troubled(trouble: string, error: Error): void {
    if (this.#troubles.has(trouble) || this.#isClosed) return;
    this.#troubles.set(trouble, this.#options.clock.monotonicMs());
    this.#options.onTrouble(trouble, this.#describe(error));
    this.#schedule();
  }

  #describe(error: Error): DatabaseTrouble {
    if (error.cause instanceof DatabaseTrouble) return error.cause;
    return this.#options.database.dialect.describe(error);
  }

  #recovered(trouble: string): void {
    const { clock, onRecovery } = this.#options;
    const since = this.#troubles.get(trouble);
    if (since === undefined) return;
    this.#troubles.delete(trouble);
    onRecovery(trouble, clock.monotonicMs() - since);
  }
}

import type { Kysely } from 'kysely';
import { DatabaseTrouble } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ChangeChannel, ChangeFeed, TenantChange } from '../change-feed.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

/** The changes after a given number. */
export interface Changes {
  readonly sequence: number;
  /** `undefined` when there are too many to list. */
  readonly tenantIds: readonly string[] | undefined;
}

/** The numbered changes of one channel. */
export interface ChangeSource {
  readonly channel: ChangeChannel;
  lastSequence(db: Kysely<Schema>): Promise<number>;
  /** A number smaller than `since` belongs to another database: every tenant may have changed. */
  changesAfter(db: Kysely<Schema>, since: number): Promise<Changes>;
}

export interface ChangeFollowerOptions {
  readonly source: ChangeSource;
  readonly database: SqlDatabase;
  readonly clock: Clock;
  readonly refreshMs: number;
  /** Name of the registry, as in the changes that it wrote. */
  readonly origin: string;
  /** Called when another registry changed this tenant; undefined: any may have changed. */
  readonly onChange: (tenantId: string | undefined) => void;
  /**
   * All changes before this time of the monotonic clock have been reported. `wasDeaf`: after a gap
   * in which the database may have been replaced.
   */
  readonly onConfirmed: (atMs: number, wasDeaf: boolean) => void;
  /** Called once when a problem begins. */
  readonly onTrouble: (trouble: string, error: DatabaseTrouble) => void;
  readonly onRecovery: (trouble: string, lastedMs: number) => void;
}

/** During a problem the changes are looked up at this interval, instead of `refreshMs`. */
const TROUBLED_REFRESH_MS = 1_000;
const DATABASE_AWAY = 'the tenant database is unreachable: cached tenants are served for up to 5 minutes';
const FEED_AWAY = 'the connection for notifications is lost: changes are looked up every second';

/**
 * Reports every change by another process once, on notification. It also looks up the numbers of
 * changes regularly, so that a lost notification does no harm.
 */
export class ChangeFollower {
  readonly #options: ChangeFollowerOptions;
  /** The start of each problem, on the monotonic clock. */
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

  /**
   * Starts to follow.
   * @throws ServiceError `registry-unavailable`
   */
  async start(): Promise<void> {
    const { database, source } = this.#options;
    // The feed requests a look-up once it is connected, so that no change is lost in between.
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

  /** Notes a change of this registry's own, which is not reported. */
  wrote(sequence: number): void {
    if (sequence === this.#sequence + 1) this.#sequence = sequence; // otherwise the next look-up reports it again
  }

  /** Notes that another part found the database unreachable. */
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
      // Meanwhile a change may have been received or written here; a smaller number than before
      // means another database.
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

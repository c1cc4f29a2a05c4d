import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RepeatedRounds } from '../repeated-rounds.ts';
import { checkpointText, signedNote } from './checkpoint.ts';
import type { Anchor, CheckpointTable, SignedHead, TreeHead } from './checkpoint-table.ts';
import { grow, rootOf } from './tree.ts';

/** The key of checkpoints, in the home vault, and the mark that it carries. */
export interface ReceiptsKey {
  /**
   * Returns the newest usable version and the mark of the newest version that has one.
   * @throws ServiceError
   */
  read(): Promise<{ readonly version: string; readonly publicKey: Uint8Array; readonly mark: string | undefined }>;
  mark(version: string, mark: string): Promise<void>;
  /** Returns the signature, DER. */
  sign(version: string, text: string): Promise<Uint8Array>;
}

export interface CheckpointerOptions {
  readonly table: CheckpointTable;
  readonly key: ReceiptsKey;
  /** Origin of the deployment's logs; a tenant's is `ORIGIN/tenants/ID`. */
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Time from the first new entry to the next checkpoint. */
  readonly checkpointMs: number;
  readonly signaturesPerSecond: number;
  readonly timing?: Partial<CheckpointerTiming>;
  /** Called once when the home vault does not know this state of the database. */
  readonly onRefused: (anchor: Anchor, mark: string | undefined) => void;
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovery: () => void;
}

interface CheckpointerTiming {
  readonly intervalMs: number;
  readonly leaseMs: number;
}

const TIMING: CheckpointerTiming = { intervalMs: 2_000, leaseMs: 60_000 };
/** Signatures between two writes to the database; they are made at the same time. */
const GROUP = 16;
/** Seconds of signatures in one round: each costs two more calls of the vault, for the mark. */
const ROUND_SECONDS = 15;

type State = 'ok' | 'failing' | 'refused';

/**
 * Signs checkpoints of the logs that have news, in one process of the deployment at a time.
 *
 * A database that was restored to yesterday would give the numbers of the lost entries to others,
 * and a checkpoint over them would contradict one that a customer has. So the home vault's key
 * carries a mark, which each round replaces before it signs:
 * 1. the next mark is stored in the database, in one transaction with the reading of the heads;
 * 2. the vault gets it; 3. the database makes it current; 4. heads as read in step 1 are signed.
 * If a process is killed at any step, the vault's mark is one of the two in the database. In a
 * copy that is older than a published checkpoint it is neither, and no checkpoint is signed.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #timing: CheckpointerTiming;
  readonly #owner = randomUUID();
  readonly #closing = new AbortController();
  #signed = 0;
  #state: State = 'ok';
  readonly #rounds: RepeatedRounds;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#rounds = new RepeatedRounds(
      () => this.#runOnce(),
      () => this.#timing.intervalMs,
    );
  }

  /** Checkpoints that this process published. */
  signed(): number {
    return this.#signed;
  }

  /** Returns the reason that no checkpoints are signed; undefined while they are. */
  state(): Exclude<State, 'ok'> | undefined {
    return this.#state === 'ok' ? undefined : this.#state;
  }

  /** Signs what is due now. Never rejects. */
  run(): Promise<void> {
    return this.#rounds.run();
  }

  close(): Promise<void> {
    this.#closing.abort();
    return this.#rounds.close();
  }

  async #runOnce(): Promise<void> {
    const { table, now, onTrouble } = this.#options;
    try {
      while (!this.#closing.signal.aborted && ((await table.nextDue()) ?? Number.POSITIVE_INFINITY) <= now()) {
        if (!(await this.#signDue())) break;
      }
      if (this.#state === 'failing') this.#recovered();
    } catch (error) {
      if (this.#state !== 'failing') onTrouble(error);
      this.#state = 'failing';
    }
  }

  #recovered(): void {
    if (this.#state !== 'ok') this.#options.onRecovery();
    this.#state = 'ok';
  }

  /** Signs one round. Returns whether the next one may follow at once. */
  async #signDue(): Promise<boolean> {
    const { table, key, now, signaturesPerSecond, onRefused } = this.#options;
    const anchor = await table.lease(this.#owner, this.#timing.leaseMs);
    if (!anchor) {
      this.#recovered(); // the holder of the lease is responsible now
      return false;
    }
    const { version, publicKey, mark } = await key.read();
    if (!isKnown(mark, anchor)) {
      if (this.#state !== 'refused') onRefused(anchor, mark);
      this.#state = 'refused';
      return false;
    }
    if (this.#state === 'refused') this.#recovered();
    // Only the trees of this round grow: the others would grow again, by few entries, before theirs.
    const due = { before: now(), limit: Math.max(GROUP, signaturesPerSecond * ROUND_SECONDS) };
    while (!this.#closing.signal.aborted && (await table.grow(due, grow)));
    const token = newMark(anchor.generation);
    const heads = await table.claim(this.#owner, token, due);
    if (!heads) return false;
    await key.mark(version, token);
    if (!(await table.confirm(this.#owner, token))) return false;
    const signer = { version, publicKey, generation: anchor.generation };
    for (let at = 0; at < heads.length && !this.#closing.signal.aborted; at += GROUP) {
      const group = heads.slice(at, at + GROUP);
      const paced = sleep((group.length * 1_000) / signaturesPerSecond, undefined, { ref: false });
      const signed = await Promise.all(group.map((head) => this.#sign(head, signer)));
      const next = { dueAt: now() + this.#options.checkpointMs, leaseMs: this.#timing.leaseMs };
      if (!(await table.publish(this.#owner, token, signed, next))) return false;
      this.#signed += signed.length;
      if (at + GROUP < heads.length) await paced;
    }
    return true;
  }

  async #sign({ tenantId, size, edge }: TreeHead, { version, publicKey, generation }: Signer): Promise<SignedHead> {
    const { key, now } = this.#options;
    const origin = originOf(this.#options.origin, tenantId, generation);
    const text = checkpointText({ origin, size, root: rootOf({ edge }), at: new Date(now()).toISOString() });
    return { tenantId, size, checkpoint: signedNote(text, origin, publicKey, await key.sign(version, text)) };
  }
}

/** Returns whether the vault's mark is one of the two in the database; none is right before the first. */
const isKnown = (mark: string | undefined, { token, pending }: Anchor): boolean =>
  mark === token || (mark !== undefined && mark === pending);

interface Signer {
  readonly version: string;
  readonly publicKey: Uint8Array;
  readonly generation: number;
}

/** Returns the name of a tenant's log. Each restart of the logs gives it another one. */
export const originOf = (origin: string, tenantId: string, generation: number): string =>
  `${origin}/tenants/${tenantId}${generation === 1 ? '' : `/${generation}`}`;

/** Returns a mark that no other database has. */
const newMark = (generation: number): string => `${generation} ${randomUUID()}`;

/**
 * Begins new logs after the home vault refused this database: the same entries under the next
 * origin, so that no checkpoint of the earlier one is contradicted. Returns the number of the
 * origin, which is higher than any that this database or a lost one has used.
 */
export async function restartLogs({
  table,
  key,
  now,
}: Pick<CheckpointerOptions, 'table' | 'key' | 'now'>): Promise<number> {
  const anchor = await table.anchor();
  const { version, mark } = await key.read();
  const generation = Math.max(anchor.generation, Number(mark?.split(' ')[0] ?? 0)) + 1;
  const token = newMark(generation);
  await key.mark(version, token);
  await table.restart({ token, generation }, now());
  return generation;
}

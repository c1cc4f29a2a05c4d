import { VaultspanError } from '../errors.ts';
import { Leaf, type NodeCrypto } from './compact.ts';
import type { LeaseCalls, OpenedLeaf, ProofMessage } from './lease-calls.ts';
import { type End, endAfter, hasEnded, type Time } from './time.ts';
import type { LeaseUse, Usage } from './usage.ts';

const OPENED_LEAVES = 10_000;
/** A lease is renewed at a random moment of its last part, so that many processes spread. */
const RENEW_AT = { from: 0.6, to: 0.85 };
/** How long the service is not asked again for what it does not lease. */
const REFUSED_MS = 60_000;
const TROUBLE_MS = 5_000;

/** The service's default, for a version of it that does not tell. */
const MAX_PLAINTEXT_BYTES = 1_048_576;

/** What to do about `local-refused`. */
export const INSTEAD = "Use local: true, so that the service does it, rather than local: 'required'.";

/** A lease that seals. */
export interface SealingLease {
  readonly leaf: Leaf;
  readonly use: LeaseUse;
  readonly end: End;
  readonly renewAtMs: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** The service decrypts no larger plaintext, nor a record with more bytes: nobody could read one without its leaf. */
  readonly maxPlaintextBytes: number;
  readonly requiredContext: readonly string[] | undefined;
}

interface OpeningLeaf {
  readonly leaf: Leaf;
  readonly end: End;
}

interface Slot {
  lease?: SealingLease;
  asking?: Promise<SealingLease>;
  /** Why there is no lease, until when the service is not asked again. */
  refusal?: { readonly error: unknown; readonly untilMs: number };
}

export interface LeasedKeysParts {
  readonly crypto: NodeCrypto;
  readonly time: Time;
  readonly calls: LeaseCalls;
  readonly usage: Usage;
}

/** The keys that one tenant's leases gave this process, in memory only and until their ends. */
export class LeasedKeys {
  readonly #parts: LeasedKeysParts;
  readonly #slots = new Map<string, Slot>();
  readonly #opened = new Map<string, OpeningLeaf>();
  readonly #opening = new Map<string, Promise<OpenedLeaf>>();
  #notOpened: Slot['refusal'];

  constructor(parts: LeasedKeysParts) {
    this.#parts = parts;
  }

  /** Whether it holds nothing, and nobody waits for it. */
  get isIdle(): boolean {
    const isEmpty = ({ lease, asking, refusal }: Slot) => lease === undefined && asking === undefined && !isHeld(this.#parts.time, refusal);
    return this.#opened.size === 0 && this.#opening.size === 0 && [...this.#slots.values()].every(isEmpty);
  }

  /**
   * Returns a lease that may seal so much more, at once where there is one. It is counted already: who does not seal
   * takes the count back.
   * @throws what the service answered: the caller then asks the service to encrypt
   */
  sealing(alias: string | undefined, messages: number, bytes: number): SealingLease | Promise<SealingLease> {
    const { time, usage } = this.#parts;
    const slot = this.#slot(alias);
    const { lease, refusal } = slot;
    if (lease !== undefined) assertReadable(lease, bytes);
    if (lease !== undefined && this.#mayStillSeal(lease, messages, bytes)) {
      // A failed renewal is asked for again at the next call; until its end the lease serves.
      if (time.monotonicMs() >= lease.renewAtMs && !isHeld(time, refusal)) this.#renew(alias, slot).catch(() => undefined);
      usage.countSealed(lease.use, messages, bytes);
      return lease;
    }
    if (isHeld(time, refusal)) throw refusal.error;
    return this.#renewed(alias, slot, messages, bytes);
  }

  /** Those who wait for a new lease share its limits, so the last of them may need another. */
  async #renewed(alias: string | undefined, slot: Slot, messages: number, bytes: number): Promise<SealingLease> {
    const lease = await this.#renew(alias, slot);
    assertReadable(lease, bytes);
    if (this.#mayStillSeal(lease, messages, bytes)) return this.sealing(alias, messages, bytes);
    if (messages > lease.maxMessages || bytes > lease.maxBytes || hasEnded(this.#parts.time, lease.end)) throw tooMuch();
    return this.sealing(alias, messages, bytes);
  }

  /** Returns the leaf of a header if this process has its key. */
  known(header: string): Leaf | undefined {
    const { time } = this.#parts;
    const found = this.#opened.get(header);
    if (found === undefined) return undefined;
    if (!hasEnded(time, found.end)) return found.leaf;
    this.#forget(header, found.leaf);
    return undefined;
  }

  /**
   * Returns the leaf of a message's header; the message proves to the service that the caller may have it.
   * @throws what the service answered: the caller then asks the service to decrypt
   */
  async opening(header: string, proof: ProofMessage): Promise<Leaf> {
    const known = this.known(header);
    if (known !== undefined) return known;
    const { time } = this.#parts;
    if (isHeld(time, this.#notOpened)) throw this.#notOpened.error;
    const others = this.#opening.get(header);
    if (others !== undefined) {
      // Another caller's message may not open, which says nothing of this one.
      await others.catch(() => undefined);
      const leaf = this.known(header);
      if (leaf !== undefined) return leaf;
    }
    return this.#open(header, proof);
  }

  /** Drops keys whose end has come. */
  sweep(): void {
    const { time } = this.#parts;
    for (const [header, { leaf, end }] of this.#opened) if (hasEnded(time, end)) this.#forget(header, leaf);
    for (const slot of this.#slots.values()) if (slot.lease !== undefined && hasEnded(time, slot.lease.end)) this.#retire(slot);
  }

  /**
   * Waits for keys that are on their way, also of callers who gave up: a lease that came after `drop` would stay in
   * memory, and nobody would report it.
   */
  async settled(): Promise<void> {
    for (;;) {
      const asking = [...this.#slots.values()].flatMap((slot) => slot.asking ?? []);
      if (asking.length === 0 && this.#opening.size === 0) return;
      await Promise.allSettled([...asking, ...this.#opening.values()]);
    }
  }

  /** Overwrites all keys, and hands the final counts over. */
  drop(): void {
    for (const slot of this.#slots.values()) this.#retire(slot);
    for (const { leaf } of this.#opened.values()) leaf.drop();
    this.#opened.clear();
  }

  #slot(alias = ''): Slot {
    const known = this.#slots.get(alias);
    if (known !== undefined) return known;
    const slot: Slot = {};
    this.#slots.set(alias, slot);
    return slot;
  }

  #mayStillSeal({ leaf, end, use, maxMessages, maxBytes }: SealingLease, messages: number, bytes: number): boolean {
    if (leaf.isDropped) return false;
    return use.sealed + messages <= maxMessages && use.bytes + bytes <= maxBytes && !hasEnded(this.#parts.time, end);
  }

  #renew(alias: string | undefined, slot: Slot): Promise<SealingLease> {
    slot.asking ??= this.#lease(alias, slot).finally(() => {
      delete slot.asking;
    });
    return slot.asking;
  }

  async #lease(alias: string | undefined, slot: Slot): Promise<SealingLease> {
    const { calls, crypto, time, usage } = this.#parts;
    const startedMs = time.monotonicMs();
    try {
      const given = await calls.create(alias);
      const leaf = new Leaf(crypto, given.kid, given.key);
      const end = endAfter(time, startedMs, given.expiresInSeconds);
      const share = RENEW_AT.from + Math.random() * (RENEW_AT.to - RENEW_AT.from);
      this.#retire(slot);
      const lease = {
        leaf,
        end,
        use: usage.begin(given.leaseId, given.kid),
        renewAtMs: startedMs + share * given.expiresInSeconds * 1000,
        maxMessages: given.maxMessages,
        maxBytes: given.maxBytes,
        maxPlaintextBytes: given.maxPlaintextBytes ?? MAX_PLAINTEXT_BYTES,
        requiredContext: given.requiredContext,
      };
      slot.lease = lease;
      delete slot.refusal;
      this.#remember(leaf, end);
      return lease;
    } catch (error) {
      slot.refusal = { error, untilMs: time.monotonicMs() + holdMs(error) };
      throw error;
    }
  }

  #open(header: string, proof: ProofMessage): Promise<Leaf> {
    const { calls, crypto, time } = this.#parts;
    const startedMs = time.monotonicMs();
    const asking = calls.open(proof);
    this.#opening.set(header, asking);
    return asking
      .then(
        (given) => {
          const leaf = new Leaf(crypto, given.kid, given.key);
          this.#remember(leaf, endAfter(time, startedMs, given.expiresInSeconds));
          return leaf;
        },
        (error: unknown) => {
          // A refusal of leases at large, not of this message: there is no sense in asking for each.
          if (isGeneral(error)) this.#notOpened = { error, untilMs: time.monotonicMs() + holdMs(error) };
          throw error;
        },
      )
      .finally(() => {
        if (this.#opening.get(header) === asking) this.#opening.delete(header);
      });
  }

  #remember(leaf: Leaf, end: End): void {
    const [oldest] = this.#opened;
    if (this.#opened.size >= OPENED_LEAVES && oldest !== undefined) this.#forget(oldest[0], oldest[1].leaf);
    this.#opened.set(leaf.header, { leaf, end });
  }

  #forget(header: string, leaf: Leaf): void {
    this.#opened.delete(header);
    leaf.drop();
  }

  /** Ends a lease's sealing. Its leaf stays among those that open, until its end. */
  #retire(slot: Slot): void {
    if (slot.lease === undefined) return;
    this.#parts.usage.finish(slot.lease.use);
    delete slot.lease;
  }
}

/** @throws VaultspanError `local-refused` for what only holders of the lease could decrypt */
function assertReadable({ maxPlaintextBytes }: SealingLease, bytes: number): void {
  if (bytes <= maxPlaintextBytes) return;
  throw new VaultspanError({
    code: 'local-refused',
    message: `local-refused: the service could not decrypt more than ${maxPlaintextBytes} bytes. Use encryptStream.`,
  });
}

function tooMuch(): VaultspanError {
  return new VaultspanError({
    code: 'local-refused',
    message: `local-refused: a lease does not allow so much, or it ended at once. ${INSTEAD}`,
  });
}

function isHeld(time: Time, refusal: Slot['refusal']): refusal is NonNullable<Slot['refusal']> {
  return refusal !== undefined && time.monotonicMs() < refusal.untilMs;
}

/** Returns whether an error says that the caller gets no leases, rather than that one message does not open. */
function isGeneral(error: unknown): boolean {
  return error instanceof VaultspanError && (error.code === 'key-use' || error.code === 'grant-missing' || error.isRetryable);
}

function holdMs(error: unknown): number {
  if (!(error instanceof VaultspanError) || error.isRetryable) {
    return (error instanceof VaultspanError ? error.retryAfterMs : undefined) ?? TROUBLE_MS;
  }
  return REFUSED_MS;
}

import { randomUUID } from 'node:crypto';
import { jittered } from '../../lib/retry.ts';
import { RepeatedRounds } from '../repeated-rounds.ts';
import type { OcsfEvent } from './ocsf.ts';
import { SiemFailure } from './siem-failure.ts';
import type { DeliveryTable, SiemClaim } from './siem-table.ts';

export interface DelivererOptions<Target> {
  readonly table: DeliveryTable;
  /** Returns the SIEM of a source; undefined when it gets no records now. */
  readonly findTarget: (source: string) => Promise<Target | undefined>;
  /** @throws SiemFailure, or another error that waiting may end */
  readonly send: (target: Target, events: readonly OcsfEvent[]) => Promise<void>;
  /** Returns the event of a source's line; undefined for a line that is not delivered. */
  readonly eventOf: (line: string, source: string, sequence: number) => OcsfEvent | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly timing?: Partial<DelivererTiming>;
  /** Called once when a source's deliveries begin to fail, and once when they succeed again. */
  readonly onFailing: (source: string, failure: SiemFailure) => void;
  readonly onRecovery: (source: string) => void;
  /** Called for a record that the SIEM refuses as too large even alone: it is left out. */
  readonly onSkipped: (source: string, sequence: number) => void;
  /** Called once when a round fails by the database, and once when one succeeds again. */
  readonly onTrouble: (error: unknown) => void;
  readonly onEnd: () => void;
}

interface DelivererTiming {
  readonly intervalMs: number;
  /** Longer than a delivery's deadline: a lease that ends under way would only cause duplicates. */
  readonly leaseMs: number;
  /** Pause after the last record of a source, in which its next ones gather. */
  readonly gatherMs: number;
  readonly backOffMs: number;
}

const TIMING: DelivererTiming = { intervalMs: 1_000, leaseMs: 120_000, gatherMs: 5_000, backOffMs: 5_000 };
const MAX_BACK_OFF_MS = 15 * 60_000;
/** Sources that one process serves at the same time. */
const MAX_CONCURRENT = 16;
/** Deliveries under one claim; then other sources have their turn. */
const MAX_BATCHES = 20;
/** Azure accepts 1 MB for each call; the SDK would split what is larger. */
const MAX_BYTES = 900_000;
const MAX_RECORDS = 500;

/**
 * Delivers the records of each source to its SIEM: those of a tenant's log to the customer's, and
 * those of a chain to the vendor's collector. They arrive in the source's order and at least once.
 * A cursor moves only after the SIEM has accepted what is before it, so a process that dies in
 * between causes duplicates and no gap. Each source is served by one process at a time, and a
 * failure delays no other source and no request.
 */
export class SiemDeliverer<Target> {
  readonly #options: DelivererOptions<Target>;
  readonly #timing: DelivererTiming;
  readonly #owner = randomUUID();
  readonly #counts = { delivered: 0, batches: 0, failures: 0, skipped: 0 };
  readonly #rounds: RepeatedRounds;
  #isTroubled: boolean = false;

  constructor(options: DelivererOptions<Target>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#rounds = new RepeatedRounds(
      () => this.#runOnce(),
      () => this.#timing.intervalMs,
    );
  }

  /** Records delivered and skipped, deliveries and failed ones, by this process. */
  counts(): Readonly<Record<'delivered' | 'batches' | 'failures' | 'skipped', number>> {
    return this.#counts;
  }

  /** Delivers what is due now. Never rejects. */
  run(): Promise<void> {
    return this.#rounds.run();
  }

  close(): Promise<void> {
    return this.#rounds.close();
  }

  async #runOnce(): Promise<void> {
    const { table, now, onTrouble, onEnd } = this.#options;
    try {
      while (!this.#rounds.isStopped) {
        const claims = await table.claim(this.#owner, now(), this.#timing.leaseMs, MAX_CONCURRENT);
        const results = await Promise.allSettled(claims.map((claim) => this.#serve(claim)));
        for (const result of results) if (result.status === 'rejected') throw result.reason;
        if (claims.length < MAX_CONCURRENT) break;
      }
      if (this.#isTroubled) onEnd();
      this.#isTroubled = false;
    } catch (error) {
      if (!this.#isTroubled) onTrouble(error);
      this.#isTroubled = true;
    }
  }

  /** Serves one source. Rejects only when the database does not answer. */
  async #serve(claim: SiemClaim): Promise<void> {
    const { table, findTarget, now, onFailing, onRecovery } = this.#options;
    const { source, failures } = claim;
    const target = await findTarget(source);
    if (target === undefined) {
      await table.release(source, this.#owner, now(), undefined, now());
      return;
    }
    let isAtEnd = false;
    try {
      isAtEnd = await this.#deliver(target, claim);
    } catch (error) {
      if (!(error instanceof SiemFailure)) throw error;
      this.#counts.failures += 1;
      if (failures === 0) onFailing(source, error);
      await table.release(source, this.#owner, now() + this.#backOffMs(error, failures), error.trouble, now());
      return;
    }
    if (failures > 0) onRecovery(source);
    const pauseMs = isAtEnd ? this.#timing.gatherMs : 0;
    await table.release(source, this.#owner, now() + pauseMs, undefined, now());
  }

  #backOffMs({ retryAfter = 0 }: SiemFailure, failures: number): number {
    const stepMs = Math.min(this.#timing.backOffMs * 2 ** Math.min(failures, 10), MAX_BACK_OFF_MS);
    return Math.round(Math.min(Math.max(jittered(stepMs), retryAfter * 1_000), MAX_BACK_OFF_MS));
  }

  /**
   * Delivers batches until the source's end, the lease's loss, or the next source's turn. Returns
   * whether it reached the end.
   */
  async #deliver(target: Target, { source, next: first, size }: SiemClaim): Promise<boolean> {
    const { table, now, eventOf, onSkipped } = this.#options;
    let next = first;
    let maxRecords = MAX_RECORDS;
    for (let batches = 0; next < size && batches < MAX_BATCHES && !this.#rounds.isStopped; batches += 1) {
      const to = Math.min(size, next + maxRecords);
      const from = next;
      const batch = batchOf(await table.lines(source, from, to), from, (line, sequence) =>
        eventOf(line, source, sequence),
      );
      try {
        if (batch.events.length > 0) await this.#options.send(target, batch.events);
        this.#counts.delivered += batch.events.length;
        this.#counts.batches += 1;
      } catch (error) {
        if (!(error instanceof SiemFailure) || error.reason !== 'siem-too-large') throw error;
        if (batch.events.length > 1) {
          maxRecords = Math.ceil(batch.entries / 2);
          continue;
        }
        this.#counts.skipped += 1;
        onSkipped(source, batch.last);
      }
      next = batch.next;
      const progress = { next, until: batch.until, at: now() };
      if (!(await table.advance(source, this.#owner, progress, now() + this.#timing.leaseMs))) return true;
    }
    return next >= size;
  }
}

/** Returns the events of the first lines, from this number on, that fit into one call. */
function batchOf(
  lines: readonly (string | undefined)[],
  first: number,
  eventOf: (line: string, sequence: number) => OcsfEvent | undefined,
) {
  const events: OcsfEvent[] = [];
  let bytes = 0;
  let entries = 0;
  let last = first;
  for (const line of lines) {
    const event = line === undefined ? undefined : eventOf(line, first + entries);
    const length = event === undefined ? 0 : Buffer.byteLength(JSON.stringify(event)) + ROW_BYTES;
    if (bytes + length > MAX_BYTES && events.length > 0) break;
    bytes += length;
    entries += 1;
    if (event === undefined) continue;
    events.push(event);
    last = first + entries - 1;
  }
  return { events, entries, last, next: first + entries, until: events.at(-1)?.time };
}

/** What a sink adds to an event: its time for Azure Monitor, and a comma. */
const ROW_BYTES = 64;

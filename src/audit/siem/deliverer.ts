import { randomUUID } from 'node:crypto';
import { jittered } from '../../lib/retry.ts';
import { RepeatedRounds } from '../repeated-rounds.ts';
import { type OcsfEvent, ocsfEvent } from './ocsf.ts';
import { SiemFailure } from './siem-failure.ts';
import type { SiemClaim, SiemTable } from './siem-table.ts';

export interface DelivererOptions<Target> {
  readonly table: SiemTable;
  /** Returns the tenant's SIEM; undefined when it has none, or is suspended or removed. */
  readonly findTarget: (tenantId: string) => Promise<Target | undefined>;
  /** @throws SiemFailure, or another error that waiting may end */
  readonly send: (target: Target, events: readonly OcsfEvent[]) => Promise<void>;
  /** Version of the service. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly timing?: Partial<DelivererTiming>;
  /** Called once when a tenant's deliveries begin to fail, and once when they succeed again. */
  readonly onFailing: (tenantId: string, failure: SiemFailure) => void;
  readonly onRecovery: (tenantId: string) => void;
  /** Called for a record that the SIEM refuses as too large even alone: it is left out. */
  readonly onSkipped: (tenantId: string, sequence: number) => void;
  /** Called once when a round fails by the database, and once when one succeeds again. */
  readonly onTrouble: (error: unknown) => void;
  readonly onEnd: () => void;
}

interface DelivererTiming {
  readonly intervalMs: number;
  /** Longer than a delivery's deadline: a lease that ends under way would only cause duplicates. */
  readonly leaseMs: number;
  /** Pause between two deliveries to a tenant, in which its records gather. */
  readonly gatherMs: number;
  readonly backOffMs: number;
}

const TIMING: DelivererTiming = { intervalMs: 1_000, leaseMs: 120_000, gatherMs: 5_000, backOffMs: 5_000 };
const MAX_BACK_OFF_MS = 15 * 60_000;
/** Tenants that one process serves at the same time. */
const MAX_CONCURRENT = 16;
/** Deliveries under one claim; then other tenants have their turn. */
const MAX_BATCHES = 20;
/** Azure accepts 1 MB for each call; the SDK would split what is larger. */
const MAX_BYTES = 900_000;
const MAX_RECORDS = 500;

/**
 * Delivers the records of each tenant to its customer's SIEM, in the order of the tenant's log and
 * at least once. A cursor moves only after the SIEM has accepted what is before it, so a process
 * that dies in between causes duplicates and no gap. Each tenant is served by one process at a
 * time, and a failure delays no other tenant and no request.
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

  /** Serves one tenant. Rejects only when the database does not answer. */
  async #serve(claim: SiemClaim): Promise<void> {
    const { table, findTarget, now, onFailing, onRecovery } = this.#options;
    const { tenantId, failures } = claim;
    const target = await findTarget(tenantId);
    if (target === undefined) {
      await table.unfollow([tenantId]);
      await table.release(tenantId, this.#owner, now(), undefined, now());
      return;
    }
    try {
      await this.#deliver(target, claim);
    } catch (error) {
      if (!(error instanceof SiemFailure)) throw error;
      this.#counts.failures += 1;
      if (failures === 0) onFailing(tenantId, error);
      await table.release(tenantId, this.#owner, now() + this.#backOffMs(error, failures), error.trouble, now());
      return;
    }
    if (failures > 0) onRecovery(tenantId);
    await table.release(tenantId, this.#owner, now() + this.#timing.gatherMs, undefined, now());
  }

  #backOffMs({ retryAfter = 0 }: SiemFailure, failures: number): number {
    const stepMs = Math.min(this.#timing.backOffMs * 2 ** Math.min(failures, 10), MAX_BACK_OFF_MS);
    return Math.round(Math.min(Math.max(jittered(stepMs), retryAfter * 1_000), MAX_BACK_OFF_MS));
  }

  /** Delivers batches until the log's end, the lease's loss, or the next tenant's turn. */
  async #deliver(target: Target, { tenantId, next: first, size }: SiemClaim): Promise<void> {
    const { table, now, onSkipped } = this.#options;
    let next = first;
    let maxRecords = MAX_RECORDS;
    for (let batches = 0; next < size && batches < MAX_BATCHES && !this.#rounds.isStopped; batches += 1) {
      const to = Math.min(size, next + maxRecords);
      const batch = batchOf(await table.lines(tenantId, next, to), { ...this.#options, tenantId, sequence: next });
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
        onSkipped(tenantId, batch.next - 1);
      }
      next = batch.next;
      const progress = { next, until: batch.until, at: now() };
      if (!(await table.advance(tenantId, this.#owner, progress, now() + this.#timing.leaseMs))) return;
    }
  }
}

interface BatchStart {
  readonly tenantId: string;
  readonly sequence: number;
  readonly version: string;
}

/** Returns the events of the first lines that fit into one call. */
function batchOf(lines: readonly (string | undefined)[], { tenantId, sequence, version }: BatchStart) {
  const events: OcsfEvent[] = [];
  let bytes = 0;
  let entries = 0;
  for (const line of lines) {
    const event = line === undefined ? undefined : ocsfEvent(line, { tenantId, sequence: sequence + entries, version });
    const length = event === undefined ? 0 : Buffer.byteLength(JSON.stringify(event)) + ROW_BYTES;
    if (bytes + length > MAX_BYTES && events.length > 0) break;
    bytes += length;
    entries += 1;
    if (event !== undefined) events.push(event);
  }
  return { events, entries, next: sequence + entries, until: events.at(-1)?.time };
}

/** What a sink adds to an event: its time for Azure Monitor, and a comma. */
const ROW_BYTES = 64;

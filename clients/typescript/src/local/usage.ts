import { VaultspanError } from '../errors.ts';
import type { Time } from './time.ts';

/** What was done under one lease: totals since it began. */
export interface LeaseUse {
  readonly leaseId: string;
  readonly kid: string;
  sealed: number;
  bytes: number;
  readonly opened: Map<string, number>;
}

export interface UsageParts {
  readonly time: Time;
  /** Sends a report. */
  readonly report: (leaseId: string, report: UsageReport) => Promise<void>;
  /** Takes a lease whose only use is the report of what was opened. */
  readonly leaseForReport: () => Promise<string>;
}

export interface UsageReport {
  readonly sealed: number;
  readonly opened: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly isFinal: boolean;
}

/** The service takes this many leaves in one report. */
const LEAVES_PER_REPORT = 1_000;
/** What is opened without a lease is reported after so long, or so many leaves, with a lease that is taken for it. */
const UNASSIGNED_MS = 300_000;
const UNASSIGNED_LEAVES = LEAVES_PER_REPORT;
/** How long reports wait after one that failed, and how many may wait. */
const FAILED_MS = 5_000;
const MAX_WAITING = 1_000;

/** Counts what a tenant's leases were used for, and reports it. What was opened is reported with the lease at hand. */
export class Usage {
  readonly #parts: UsageParts;
  #current: LeaseUse | undefined;
  /** What was opened while there was no lease to report it with. */
  #unassigned: { opened: Map<string, number>; bytes: number; sinceMs?: number } = { opened: new Map(), bytes: 0 };
  readonly #finished = new Set<LeaseUse>();
  #flushing: Promise<void> | undefined;
  #notBeforeMs = 0;

  constructor(parts: UsageParts) {
    this.#parts = parts;
  }

  begin(leaseId: string, kid: string): LeaseUse {
    const { opened, bytes } = this.#unassigned;
    this.#unassigned = { opened: new Map(), bytes: 0 };
    this.#current = { leaseId, kid, sealed: 0, bytes, opened };
    return this.#current;
  }

  countSealed(use: LeaseUse, messages: number, bytes: number): void {
    use.sealed += messages;
    use.bytes += bytes;
  }

  countOpened(kid: string, bytes: number): void {
    const use = this.#current ?? this.#unassigned;
    if (this.#current === undefined) this.#unassigned.sinceMs ??= this.#parts.time.monotonicMs();
    use.opened.set(kid, (use.opened.get(kid) ?? 0) + 1);
    use.bytes += bytes;
  }

  /** Marks a lease as used no more: the next flush reports it finally. */
  finish(use: LeaseUse): void {
    if (this.#current === use) this.#current = undefined;
    this.#finished.add(use);
    const [oldest] = this.#finished;
    if (this.#finished.size > MAX_WAITING && oldest !== undefined) this.#finished.delete(oldest);
  }

  /** Whether there is nothing to report. */
  get isIdle(): boolean {
    return this.#current === undefined && this.#finished.size === 0 && this.#unassigned.opened.size === 0 && this.#flushing === undefined;
  }

  /** Reports finished leases, and what was opened without one for long; with `all`, all of it. One that fails is sent later. */
  flush(all = false): Promise<void> {
    if (this.#flushing !== undefined) return all ? this.#flushing.then(() => this.flush(true)) : this.#flushing;
    if (!all && !this.#isDue()) return Promise.resolve();
    this.#flushing = this.#flush(all).finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  #isDue(): boolean {
    if (this.#parts.time.monotonicMs() < this.#notBeforeMs) return false;
    return this.#finished.size > 0 || this.#isUnassignedDue();
  }

  #isUnassignedDue(): boolean {
    const { opened, sinceMs = Number.POSITIVE_INFINITY } = this.#unassigned;
    return opened.size >= UNASSIGNED_LEAVES || this.#parts.time.monotonicMs() - sinceMs >= UNASSIGNED_MS;
  }

  async #flush(all: boolean): Promise<void> {
    try {
      if (all ? this.#unassigned.opened.size > 0 : this.#isUnassignedDue()) {
        const leaseId = await this.#parts.leaseForReport();
        const current = this.#current;
        this.finish(this.begin(leaseId, ''));
        this.#current = current;
      }
      for (const use of this.#finished) {
        await this.#report(use);
        this.#finished.delete(use);
      }
    } catch {
      this.#notBeforeMs = this.#parts.time.monotonicMs() + FAILED_MS;
    }
  }

  /** @throws what may pass: the report is sent again. The service counts a refused one as unreported. */
  async #report(use: LeaseUse): Promise<void> {
    try {
      await this.#send(use);
    } catch (error) {
      if (!(error instanceof VaultspanError) || error.isRetryable) throw error;
    }
  }

  async #send(use: LeaseUse): Promise<void> {
    const { sealed, bytes } = use;
    const kids = [...use.opened];
    for (let at = 0; at === 0 || at < kids.length; at += LEAVES_PER_REPORT) {
      const opened = Object.fromEntries(kids.slice(at, at + LEAVES_PER_REPORT));
      const isFinal = at + LEAVES_PER_REPORT >= kids.length;
      await this.#parts.report(use.leaseId, { sealed, opened, bytes, isFinal });
    }
  }
}

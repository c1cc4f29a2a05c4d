/** What was done under one lease: totals since it began. */
export interface LeaseUse {
  readonly leaseId: string;
  readonly kid: string;
  sealed: number;
  bytes: number;
  readonly opened: Map<string, number>;
}

export interface UsageParts {
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

/** Counts what a tenant's leases were used for, and reports it. What was opened is reported with the lease at hand. */
export class Usage {
  readonly #parts: UsageParts;
  #current: LeaseUse | undefined;
  /** What was opened while there was no lease to report it with. */
  #unassigned: { opened: Map<string, number>; bytes: number } = { opened: new Map(), bytes: 0 };
  readonly #finished = new Set<LeaseUse>();
  #flushing: Promise<void> | undefined;

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
    use.opened.set(kid, (use.opened.get(kid) ?? 0) + 1);
    use.bytes += bytes;
  }

  /** Marks a lease as used no more: the next flush reports it finally. */
  finish(use: LeaseUse): void {
    if (this.#current === use) this.#current = undefined;
    this.#finished.add(use);
  }

  /** Reports finished leases, and with `all` what was opened without one. A report that fails is sent with the next. */
  flush(all = false): Promise<void> {
    const previous = this.#flushing ?? Promise.resolve();
    this.#flushing = previous.then(() => this.#flush(all));
    return this.#flushing;
  }

  async #flush(all: boolean): Promise<void> {
    if (all && this.#unassigned.opened.size > 0) {
      const leaseId = await this.#parts.leaseForReport().catch(() => undefined);
      if (leaseId !== undefined) this.finish(this.begin(leaseId, ''));
    }
    for (const use of [...this.#finished]) {
      this.#finished.delete(use);
      await this.#report(use).catch(() => undefined); // the service counts it as unreported
    }
  }

  async #report(use: LeaseUse): Promise<void> {
    const { sealed, bytes } = use;
    const kids = [...use.opened];
    for (let at = 0; at === 0 || at < kids.length; at += LEAVES_PER_REPORT) {
      const opened = Object.fromEntries(kids.slice(at, at + LEAVES_PER_REPORT));
      const isFinal = at + LEAVES_PER_REPORT >= kids.length;
      await this.#parts.report(use.leaseId, { sealed, opened, bytes, isFinal });
    }
  }
}

import { ServiceError, type SpentLimit } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import type { Quota, Tenant } from './record.ts';

/** A tenant's use of its quota in one period, by all processes or by one. */
interface QuotaUse {
  readonly tenantId: string;
  /** Start of the period, milliseconds since 1970. */
  readonly start: number;
  readonly periodMs: number;
  readonly operations: number;
  readonly bytes: number;
}

export interface QuotaStore {
  /**
   * Adds uses, and returns the sum of all processes for each of these tenants: of its newest
   * period, which may be another one.
   * @throws ServiceError `registry-unavailable`
   */
  add(uses: readonly QuotaUse[]): Promise<readonly QuotaUse[]>;
  /**
   * Returns the sum of all processes in the tenant's newest period.
   * @throws ServiceError `registry-unavailable`
   */
  find(tenantId: string): Promise<QuotaUse | undefined>;
}

/** A tenant's quota in the current period, and what all processes have used of it. */
export interface ShownQuota {
  /** Whether the quota is that of the configuration. */
  readonly isDefault: boolean;
  readonly periodSeconds: number;
  /** End of the period, milliseconds since 1970. */
  readonly endsAt: number;
  readonly limits: readonly (Pick<SpentLimit, 'limit' | 'left'> & { readonly name: (typeof UNITS)[number] })[];
}

export interface TenantQuotasOptions {
  readonly store: QuotaStore;
  /** For tenants without a quota in their record; absent for none. */
  readonly quota: Quota | undefined;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Called once when the sums cannot be exchanged, and once when they can be again. */
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovery: () => void;
  readonly intervalMs?: number;
}

type Amount = { -readonly [Name in 'operations' | 'bytes']: number };

type Span = Pick<QuotaUse, 'start' | 'periodMs'>;

/** The current period of a tenant, as this process knows it. */
interface Period {
  readonly start: number;
  readonly periodMs: number;
  /** The sum of all processes at the last exchange. */
  stored: Amount;
  /** This process's use since then. */
  added: Amount;
  /** The first exchange, while it lasts. */
  opening: Promise<void> | undefined;
}

/** All processes together may exceed a quota by what they do in this time. */
const INTERVAL_MS = 1_000;
const UNITS = ['operations', 'bytes'] as const;

/**
 * The quotas of tenants: operations and bytes in periods of UTC. A process counts by its own audit
 * records, and exchanges its counts with the other processes every second. A call that has begun is
 * finished and paid for, and while the database is unreachable each process counts for itself.
 */
export class TenantQuotas {
  readonly #options: TenantQuotasOptions;
  readonly #periods = new Map<string, Period>();
  readonly #timer: NodeJS.Timeout;
  #exchanging: Promise<void> = Promise.resolve();
  #isFailing: boolean = false;

  constructor(options: TenantQuotasOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.exchange(), options.intervalMs ?? INTERVAL_MS).unref();
  }

  /**
   * Returns the tenant's limits and what is left of each; undefined for a tenant without a quota.
   * @throws ServiceError `quota-exceeded` if nothing is left of one
   */
  admit(tenant: Pick<Tenant, 'id' | 'quota'>): Soon<readonly SpentLimit[] | undefined> {
    const quota = tenant.quota ?? this.#options.quota;
    if (!quota) return undefined;
    const period = this.#periodOf(tenant.id, quota);
    return whenReady(period.opening, () => this.#leftOf(quota, period));
  }

  /**
   * Returns the quota of a tenant and what is left of it; undefined for a tenant without one.
   * @throws ServiceError `registry-unavailable`
   */
  async show(tenant: Pick<Tenant, 'id' | 'quota'>): Promise<ShownQuota | undefined> {
    const { quota: defaultQuota, store, clock } = this.#options;
    const quota = tenant.quota ?? defaultQuota;
    if (!quota) return undefined;
    await this.#exchanging;
    const sum = await store.find(tenant.id);
    const now = periodAt(clock.wallMs(), quota);
    const { start, periodMs } = now;
    const stored = isIn(now, sum) ? sum : nothing();
    const period = this.#periods.get(tenant.id);
    const added = isIn(now, period) ? period.added : nothing();
    return {
      isDefault: tenant.quota === undefined,
      periodSeconds: quota.periodSeconds,
      endsAt: start + periodMs,
      limits: UNITS.flatMap((name) => {
        const limit = quota[name];
        return limit === undefined ? [] : { name, limit, left: Math.max(0, limit - stored[name] - added[name]) };
      }),
    };
  }

  /** Returns whether calls of the tenant are counted: it has a quota, and this process admitted one. */
  isCounted(tenantId: string): boolean {
    return this.#periods.has(tenantId);
  }

  /** Counts what a recorded call used. */
  count(tenantId: string, { operations, bytes }: Readonly<Amount>): void {
    const period = this.#periods.get(tenantId);
    if (!period) return;
    period.added.operations += operations;
    period.added.bytes += bytes;
  }

  /** Exchanges the counts with the other processes now. Never rejects. */
  exchange(): Promise<void> {
    this.#exchanging = this.#exchanging.then(() => this.#exchangeAll());
    return this.#exchanging;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.exchange();
  }

  #periodOf(tenantId: string, quota: Quota): Period {
    const { start, periodMs } = periodAt(this.#options.clock.wallMs(), quota);
    const known = this.#periods.get(tenantId);
    if (isIn({ start, periodMs }, known)) return known;
    const period: Period = { start, periodMs, stored: nothing(), added: nothing(), opening: undefined };
    this.#periods.set(tenantId, period);
    period.opening = this.#add([[tenantId, period]]).finally(() => {
      period.opening = undefined;
    });
    return period;
  }

  #leftOf(quota: Quota, { start, periodMs, stored, added }: Period): readonly SpentLimit[] {
    const seconds = Math.max(1, Math.ceil((start + periodMs - this.#options.clock.wallMs()) / 1_000));
    const limits: SpentLimit[] = [];
    for (const unit of UNITS) {
      const limit = quota[unit];
      if (limit === undefined) continue;
      const left = Math.max(0, limit - stored[unit] - added[unit]);
      limits.push({ name: unit, limit, windowSeconds: quota.periodSeconds, left, seconds });
    }
    const spent = limits.find(({ left }) => left === 0);
    if (!spent) return limits;
    throw new ServiceError('quota-exceeded', `The tenant has used up its ${spent.name} of this period`, {
      reason: spent.name,
      retryAfter: seconds,
      limits,
      fix: { owner: 'vendor', action: "Raise quota in the tenant's record, or wait for the next period" },
    });
  }

  async #exchangeAll(): Promise<void> {
    const now = this.#options.clock.wallMs();
    const used: [string, Period][] = [];
    for (const [tenantId, period] of this.#periods) {
      if (period.opening) continue; // two sums at once could arrive in the wrong order
      if (period.added.operations > 0 || period.added.bytes > 0) used.push([tenantId, period]);
      else if (period.start + period.periodMs <= now) this.#periods.delete(tenantId);
    }
    if (used.length > 0) await this.#add(used);
  }

  async #add(used: readonly (readonly [string, Period])[]): Promise<void> {
    const { store, onTrouble, onRecovery } = this.#options;
    const sent = used.map(([tenantId, { start, periodMs, added }]) => ({ tenantId, start, periodMs, ...added }));
    try {
      const sums = new Map((await store.add(sent)).map((sum) => [sum.tenantId, sum]));
      for (const [at, [tenantId, period]] of used.entries()) settle(period, sent[at], sums.get(tenantId));
      if (this.#isFailing) onRecovery();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) onTrouble(error);
      this.#isFailing = true;
    }
  }
}

/** Takes what was sent out of a period's own counts, and the sum of all processes in. */
function settle(period: Period, sent: QuotaUse | undefined, sum: QuotaUse | undefined): void {
  if (!sent || !sum) return;
  const { operations, bytes } = period.added;
  period.added = { operations: operations - sent.operations, bytes: bytes - sent.bytes };
  if (isIn(period, sum)) period.stored = { operations: sum.operations, bytes: sum.bytes };
}

/** Returns whether a use is of this period. */
const isIn = <T extends Span>(period: Span, use: T | undefined): use is T =>
  use?.start === period.start && use.periodMs === period.periodMs;

/** Returns the period of a quota that a time is in. */
function periodAt(now: number, { periodSeconds }: Quota): Span {
  const periodMs = periodSeconds * 1_000;
  return { start: now - (now % periodMs), periodMs };
}

const nothing = (): Amount => ({ operations: 0, bytes: 0 });

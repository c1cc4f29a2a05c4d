import { setTimeout as sleep } from 'node:timers/promises';
import { checkOf, type TenantCheck } from '../operations/doctor/tenant-check.ts';
import { checkIntervalMsOf } from '../tenants/bounds.ts';
import type { Check, Claims } from '../tenants/checks.ts';
import type { Tenant } from '../tenants/record.ts';
import { findTenant, type TenantRegistry } from '../tenants/registry.ts';

export interface RoundsOptions {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly claims: Pick<Claims, 'claimDue' | 'finish'>;
  /** Runs the doctor's steps, with a fresh sign-in. */
  readonly examine: (tenant: Tenant) => Promise<TenantCheck>;
  /** Names this process among those that share the work. */
  readonly owner: string;
  /** For a tenant whose record has no interval of its own. */
  readonly intervalMs: number;
  readonly maxConcurrent: number;
  /** Pause between searches for due tenants, in milliseconds. */
  readonly pollMs: number;
  readonly wallMs: () => number;
  readonly onVisited: (visited: Visited) => void;
  /** Work on a tenant whose check has passed, such as keys that a rotation left behind. */
  readonly upkeep: (tenant: Tenant) => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
}

/** The result of a visit, and whether it is a change. */
export interface Visited {
  readonly tenant: Tenant;
  readonly check: Check;
  readonly isChanged: boolean;
  readonly previous?: Check;
}

/** A visit that takes longer has died with its process; another process repeats it. */
const LEASE_MS = 5 * 60_000;
/**
 * Visits are spread over this part of the interval, so that tenants registered together do not stay
 * together.
 */
const JITTER_PART = 0.2;

/**
 * Visits tenants at regular intervals; any number of processes share the work, and no tenant is
 * visited twice at once.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #visits = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Claims no more visits and waits for those under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.all(this.#visits);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const claimed = await this.#claim();
      if (claimed > 0 && this.#visits.size < this.#options.maxConcurrent) continue;
      const wakeUp = sleep(this.#options.pollMs, undefined, { signal, ref: false }).catch(() => undefined);
      // With every place taken, the next free one is filled at once.
      await (claimed > 0 ? Promise.race([wakeUp, ...this.#visits]) : wakeUp);
    }
  }

  async #claim(): Promise<number> {
    const { claims, owner, wallMs, maxConcurrent, onTrouble } = this.#options;
    const free = maxConcurrent - this.#visits.size;
    if (free === 0) return 0;
    try {
      const ids = await claims.claimDue(wallMs(), owner, LEASE_MS, free);
      for (const id of ids) this.#track(this.#visit(id));
      return ids.length;
    } catch (error) {
      onTrouble(error);
      return 0;
    }
  }

  #track(visit: Promise<void>): void {
    const tracked = visit.catch(this.#options.onTrouble).finally(() => this.#visits.delete(tracked));
    this.#visits.add(tracked);
  }

  /**
   * Visits a tenant. A visit that fails because of our own fault, or without a database to write
   * to, is left to its lease.
   */
  async #visit(tenantId: string): Promise<void> {
    const { tenants, claims, examine, owner, onVisited, upkeep } = this.#options;
    const tenant = await findTenant(tenants, tenantId);
    if (!tenant) return;
    const check = checkOf(await examine(tenant));
    const finished = await claims.finish(tenantId, owner, check, this.#nextDueAt(tenant));
    if (!finished) return;
    onVisited({ tenant, check, ...finished });
    if (check.code === undefined && tenant.state === 'active') await upkeep(tenant);
  }

  #nextDueAt(tenant: Tenant): number {
    const { wallMs, intervalMs } = this.#options;
    const jitter = 1 + JITTER_PART * (Math.random() - 0.5);
    return Math.round(wallMs() + checkIntervalMsOf(tenant, intervalMs) * jitter);
  }
}

import { randomUUID } from 'node:crypto';
import { type DatabaseTrouble, ServiceError } from '../../errors.ts';
import { TENANT_ID } from '../../format/jwe-header.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { defined } from '../../lib/defined.ts';
import type { Soon } from '../../lib/when-ready.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type TenantInput, tenantOf, tenantSchema } from '../../tenants/record-schema.ts';
import {
  type TenantCounts,
  type TenantMatches,
  type TenantPage,
  type TenantQuery,
  type TenantRegistry,
  tenantNotFound,
} from '../../tenants/registry.ts';
import type { VaultHosts } from '../../tenants/vault-hosts.ts';
import { countTenants } from '../lists/tenant-counts.ts';
import { type FoundRow, searchQuery } from '../lists/tenant-search.ts';
import { assertMigrated } from '../migrations/migrations.ts';
import type { SqlDatabase } from '../open-database.ts';
import { ChangeFollower } from './change-follower.ts';
import { RegistryCache } from './registry-cache.ts';
import { findTenant, stampsOf, type TenantRow, tenantChanges, tenantOfRow, tenantPage } from './tenant-rows.ts';
import { putTenant, removeTenant, restoreTenant } from './tenant-writes.ts';

export interface SqlRegistryOptions {
  /** A migrated database; the caller closes it, after the registry. */
  readonly database: SqlDatabase;
  readonly hosts: VaultHosts;
  readonly clock?: Clock;
  /** Interval of look-ups of changes, in addition to notifications. */
  readonly refreshMs?: number;
  /**
   * Called for a stored record that breaks the rules of this version: only its tenant is out of
   * service.
   */
  readonly onInvalidRecord: (tenantId: string, error: ServiceError) => void;
  /** Called once when a problem begins, and once when it ends. */
  readonly onTrouble: (trouble: string, error: DatabaseTrouble) => void;
  readonly onRecovery: (trouble: string, lastedMs: number) => void;
}

type ChangeListener = (tenantId: string | undefined) => void;

/**
 * The result of reading a row. An invalid one is cached as well, or each request would read it
 * again.
 */
type Read = Tenant | ServiceError;

const MAX_CACHED = 10_000;
const DEFAULT_REFRESH_MS = 60_000;
/** How long known tenants are served while the database is unreachable. */
const STALE_AFTER_MS = 300_000;

/**
 * Returns the registry of a database.
 * @throws Error when its schema is not this program's; ServiceError `registry-unavailable`
 */
export async function openSqlRegistry(options: SqlRegistryOptions): Promise<TenantRegistry> {
  await assertMigrated(options.database);
  const registry = new SqlRegistry(options);
  await registry.start();
  return registry;
}

class SqlRegistry implements TenantRegistry {
  readonly #options: SqlRegistryOptions;
  readonly #clock: Clock;
  readonly #schema: ReturnType<typeof tenantSchema>;
  readonly #origin = randomUUID();
  readonly #cache: RegistryCache<Read>;
  readonly #follower: ChangeFollower;
  readonly #listeners: ChangeListener[] = [];
  readonly #openedAt: number;

  constructor(options: SqlRegistryOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#openedAt = this.#clock.monotonicMs();
    this.#schema = tenantSchema(options.hosts);
    this.#cache = new RegistryCache({
      load: (tenantId) => this.#load(tenantId),
      clock: this.#clock,
      maxEntries: MAX_CACHED,
      staleAfterMs: STALE_AFTER_MS,
    });
    this.#follower = new ChangeFollower({
      source: tenantChanges,
      database: options.database,
      clock: this.#clock,
      refreshMs: options.refreshMs ?? DEFAULT_REFRESH_MS,
      origin: this.#origin,
      onChange: (tenantId) => this.#tell(tenantId),
      onConfirmed: (atMs, wasDeaf) => {
        if (wasDeaf) this.#cache.clear();
        this.#cache.confirm(atMs);
      },
      onTrouble: options.onTrouble,
      onRecovery: options.onRecovery,
    });
  }

  start(): Promise<void> {
    return this.#follower.start();
  }

  get(tenantId: string): Soon<Tenant> {
    const found = TENANT_ID.test(tenantId) ? this.#cache.get(tenantId) : undefined;
    return found === undefined || found instanceof Promise || found instanceof ServiceError ? usable(found) : found;
  }

  async list(limit: number, cursor = ''): Promise<TenantPage> {
    if (cursor !== '' && !TENANT_ID.test(cursor)) throw foreignCursor();
    const rows = await this.#noting(() =>
      this.#options.database.read((db) => tenantPage(db, limit + 1, cursor).execute()),
    );
    const page = rows.slice(0, limit);
    const tenants = this.#parseAll(page);
    const last = page.at(-1);
    return rows.length > limit && last ? { tenants, nextCursor: last.id } : { tenants };
  }

  async search(query: TenantQuery): Promise<TenantMatches> {
    const { database } = this.#options;
    const { limit } = query;
    const rows: FoundRow[] = await this.#noting(() =>
      database.read((db) => searchQuery(db, database.dialect, { ...query, limit: limit + 1 }).execute()),
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return defined({ tenants: this.#parseAll(page), next: last && { key: last.key, id: last.id } });
  }

  count(): Promise<TenantCounts> {
    return this.#noting(() => this.#options.database.read(countTenants));
  }

  async put(record: TenantInput, revision: string | undefined, by: string): Promise<Tenant> {
    const at = this.#clock.wallMs();
    const { sequence, ...written } = await this.#write(record.id, (trx) =>
      putTenant(trx, record, revision, { by, at }),
    );
    this.#wrote(record.id, sequence);
    return tenantOf(record, stampsOf(written.revision, written.createdAt, at));
  }

  async remove(tenantId: string, revision: string, by: string): Promise<void> {
    if (!TENANT_ID.test(tenantId)) throw tenantNotFound();
    const at = this.#clock.wallMs();
    const { sequence } = await this.#write(tenantId, (trx) => removeTenant(trx, tenantId, revision, { by, at }));
    this.#wrote(tenantId, sequence);
  }

  async restore(tenantId: string, by: string): Promise<Tenant> {
    if (!TENANT_ID.test(tenantId)) throw tenantNotFound();
    const at = this.#clock.wallMs();
    const { sequence } = await this.#write(tenantId, (trx) => restoreTenant(trx, tenantId, { by, at }));
    this.#wrote(tenantId, sequence);
    return this.get(tenantId);
  }

  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  trouble(): string | undefined {
    return this.#follower.trouble();
  }

  staleMs(): number {
    return this.#clock.monotonicMs() - Math.max(this.#openedAt, this.#cache.confirmedAt);
  }

  close(): Promise<void> {
    return this.#follower.close();
  }

  async #load(tenantId: string): Promise<Read | undefined> {
    const row = await this.#noting(() => this.#options.database.read((db) => findTenant(db, tenantId)));
    return row && this.#parse(row);
  }

  /** Returns the tenants, without those whose record is invalid. */
  #parseAll(rows: readonly TenantRow[]): Tenant[] {
    return rows.map((row) => this.#parse(row)).filter((read): read is Tenant => !(read instanceof ServiceError));
  }

  #parse(row: TenantRow): Read {
    try {
      return tenantOfRow(row, this.#schema);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#options.onInvalidRecord(row.id, error);
      return error;
    }
  }

  #write<T extends { readonly sequence: number }>(
    tenantId: string,
    change: (trx: Parameters<Parameters<SqlDatabase['write']>[0]>[0]) => Promise<T>,
  ): Promise<T> {
    const { database } = this.#options;
    return this.#noting(() =>
      database.write(async (trx) => {
        const written = await change(trx);
        await database.dialect.notify(trx, 'tenants', { origin: this.#origin, sequence: written.sequence, tenantId });
        return written;
      }),
    );
  }

  #wrote(tenantId: string, sequence: number): void {
    this.#follower.wrote(sequence);
    this.#tell(tenantId);
  }

  #tell(tenantId: string | undefined): void {
    if (tenantId === undefined) this.#cache.clear();
    else this.#cache.drop(tenantId);
    for (const listener of this.#listeners) listener(tenantId);
  }

  async #noting<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'registry-unavailable') this.#follower.failed(error);
      throw error;
    }
  }
}

/**
 * Returns the tenant of a read.
 * @throws ServiceError `tenant-not-found`, or the refusal that was read
 */
async function usable(reading: Soon<Read | undefined>): Promise<Tenant> {
  const read = await reading;
  if (read === undefined) throw tenantNotFound();
  if (read instanceof ServiceError) throw read;
  return read;
}

const foreignCursor = (): ServiceError =>
  new ServiceError('malformed-request', 'The cursor does not belong to this list', {
    errors: [{ pointer: '/query/cursor', detail: 'is not a cursor of this list' }],
  });

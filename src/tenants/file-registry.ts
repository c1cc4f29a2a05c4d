import { readFile, stat } from 'node:fs/promises';
import { ServiceError } from '../errors.ts';
import type { Tenant } from './record.ts';
import { type TenantPage, type TenantRegistry, tenantNotFound } from './registry.ts';
import { readTenantList } from './tenant-list.ts';
import type { VaultHosts } from './vault-hosts.ts';

export interface FileRegistryOptions {
  /** YAML or JSON: `{tenants: [...]}`. */
  readonly file: string;
  readonly hosts: VaultHosts;
  /** How often the file is looked at, in milliseconds. */
  readonly pollMs?: number;
  readonly onReload: (count: number) => void;
  /** The edit could not be taken over; the last good list goes on. */
  readonly onBrokenEdit: (error: Error) => void;
}

const POLL_MS = 1_000;

type ChangeListener = (tenantId: string | undefined) => void;

/**
 * The static list of tenants. Polled rather than watched: editors and Kubernetes' config maps replace the file, and a watch
 * is lost with what it watched.
 *
 * @throws TenantListError, or what reading the file threw
 */
export async function openFileRegistry(options: FileRegistryOptions): Promise<TenantRegistry> {
  const registry = new FileRegistry(options);
  try {
    await registry.load();
  } catch (error) {
    await registry.close();
    throw error;
  }
  return registry;
}

class FileRegistry implements TenantRegistry {
  readonly #options: FileRegistryOptions;
  readonly #timer: NodeJS.Timeout;
  #tenants: ReadonlyMap<string, Tenant> = new Map();
  #ids: readonly string[] = [];
  readonly #listeners: ChangeListener[] = [];
  #stamp = '';
  #trouble: string | undefined;
  #polling: Promise<void> | undefined;
  #confirmedAt = performance.now();

  constructor(options: FileRegistryOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#poll(), options.pollMs ?? POLL_MS).unref();
  }

  async load(): Promise<void> {
    const { file, hosts } = this.#options;
    const { stamp, changedAt } = await this.#look();
    this.#stamp = stamp;
    const tenants = readTenantList(await readFile(file, 'utf8'), hosts, changedAt);
    const before = this.#tenants;
    this.#tenants = tenants;
    this.#ids = [...tenants.keys()];
    this.#trouble = undefined;
    this.#confirmedAt = performance.now();
    for (const id of changedIds(before, tenants)) for (const listener of this.#listeners) listener(id);
  }

  async get(tenantId: string): Promise<Tenant> {
    const tenant = this.#tenants.get(tenantId);
    if (!tenant) throw tenantNotFound();
    return tenant;
  }

  async list(limit: number, cursor = ''): Promise<TenantPage> {
    const start = firstAfter(this.#ids, cursor);
    const ids = this.#ids.slice(start, start + limit);
    const tenants = ids.flatMap((id) => this.#tenants.get(id) ?? []);
    const last = ids.at(-1);
    return start + limit < this.#ids.length && last !== undefined ? { tenants, nextCursor: last } : { tenants };
  }

  async put(): Promise<Tenant> {
    throw readOnly();
  }

  async remove(): Promise<void> {
    throw readOnly();
  }

  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  staleMs(): number {
    return performance.now() - this.#confirmedAt;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#polling;
  }

  #poll(): void {
    this.#polling ??= this.#reloadIfChanged().finally(() => {
      this.#polling = undefined;
    });
  }

  async #reloadIfChanged(): Promise<void> {
    try {
      if ((await this.#look()).stamp === this.#stamp) {
        if (this.#trouble === undefined) this.#confirmedAt = performance.now();
        return;
      }
      await this.load();
      this.#options.onReload(this.#tenants.size);
    } catch (error) {
      if (!Error.isError(error)) throw error;
      if (this.#trouble === error.message) return; // said already, for this same edit
      this.#trouble = error.message;
      this.#options.onBrokenEdit(error);
    }
  }

  async #look(): Promise<{ readonly stamp: string; readonly changedAt: string }> {
    const { mtimeMs, mtime, size, ino } = await stat(this.#options.file).catch((error: unknown) => {
      this.#stamp = ''; // whatever comes back is read
      throw error;
    });
    return { stamp: `${ino} ${size} ${mtimeMs}`, changedAt: mtime.toISOString() };
  }
}

/** Index of the first id that follows `cursor`, which need not be registered any more. */
function firstAfter(ids: readonly string[], cursor: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] ?? '') <= cursor) low = middle + 1;
    else high = middle;
  }
  return low;
}

function readOnly(): ServiceError {
  return new ServiceError(
    'registry-read-only',
    'The tenants are kept in a file: edit it, and it is reread within a second',
    {
      fix: { owner: 'vendor', action: 'Edit the list of tenants, or move to a database (docs/configuration.md)' },
    },
  );
}

/** New ones, those of another revision, and those that are gone. */
function changedIds(before: ReadonlyMap<string, Tenant>, after: ReadonlyMap<string, Tenant>): string[] {
  const ids = new Set([...before.keys(), ...after.keys()]);
  return [...ids].filter((id) => before.get(id)?.revision !== after.get(id)?.revision);
}

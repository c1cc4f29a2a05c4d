import { readFile, stat } from 'node:fs/promises';
import { ServiceError } from '../errors.ts';
import { pollFile } from '../lib/poll-file.ts';
import { type KeyConflict, type KeyRegister, keyClaims } from './key-register.ts';
import type { Tenant } from './record.ts';
import type { RecordObstacles } from './record-obstacles.ts';
import { type TenantCounts, type TenantPage, type TenantRegistry, tenantNotFound } from './registry.ts';
import { type LastChecks, searchList } from './search-list.ts';
import { readTenantList, TenantListError } from './tenant-list.ts';
import type { VaultHosts } from './vault-hosts.ts';

export interface FileRegistryOptions {
  /** YAML or JSON: `{tenants: [...]}`. */
  readonly file: string;
  readonly hosts: VaultHosts;
  /** A key of the list that had another use or tenant before makes the list unusable. */
  readonly keys: Pick<KeyRegister, 'take'>;
  readonly obstacles: RecordObstacles;
  /** Returns the last checks of tenants by id. */
  readonly lastChecks: LastChecks;
  /** Pause between polls of the file, in milliseconds. */
  readonly pollMs?: number;
  readonly onReload: (count: number) => void;
  /** Called when the edited file cannot be used; the last good list stays in use. */
  readonly onBrokenEdit: (error: Error) => void;
}

const POLL_MS = 1_000;

type ChangeListener = (tenantId: string | undefined) => void;

interface TenantsOfFile {
  readonly byId: ReadonlyMap<string, Tenant>;
  readonly ids: readonly string[];
}

/**
 * Returns the static list of tenants, which is read again when its file changes.
 * @throws TenantListError, or the error of reading the file
 */
export async function openFileRegistry(options: FileRegistryOptions): Promise<TenantRegistry> {
  const listeners: ChangeListener[] = [];
  const polled = await pollFile({
    files: [options.file],
    pollMs: options.pollMs ?? POLL_MS,
    load: () => load(options),
    onReload: (now, before) => {
      for (const id of changedIds(before.byId, now.byId)) for (const listener of listeners) listener(id);
      options.onReload(now.ids.length);
    },
    onTrouble: options.onBrokenEdit,
  });
  return {
    get: (tenantId) => polled.current().byId.get(tenantId) ?? Promise.reject(tenantNotFound()),
    list: async (limit, cursor = '') => pageOf(polled.current(), limit, cursor),
    search: (query) => searchList(polled.current().byId, options.lastChecks, query),
    count: async () => countStates(polled.current().byId),
    put: () => Promise.reject(readOnly()),
    remove: () => Promise.reject(readOnly()),
    restore: () => Promise.reject(readOnly()),
    onChange: (listener) => void listeners.push(listener),
    trouble: polled.trouble,
    staleMs: () => performance.now() - polled.confirmedAt(),
    close: polled.close,
  };
}

function countStates(byId: TenantsOfFile['byId']): TenantCounts {
  const suspended = byId.values().reduce((count, { state }) => count + (state === 'suspended' ? 1 : 0), 0);
  return { active: byId.size - suspended, suspended };
}

async function load({ file, hosts, keys, obstacles }: FileRegistryOptions): Promise<TenantsOfFile> {
  const { mtime } = await stat(file);
  const byId = readTenantList(file, await readFile(file), hosts, mtime.toISOString(), obstacles);
  const conflicts = await keys.take([...byId.values()].flatMap(keyClaims));
  if (conflicts.length > 0) throw new TenantListError(conflicts.map(describeConflict), file);
  return { byId, ids: [...byId.keys()] };
}

const describeConflict = ({ claim: { tenantId, pointer, vaultKey }, code }: KeyConflict): string =>
  `${tenantId}${pointer}: ${vaultKey} is or was registered ${code === 'key-taken' ? 'for another tenant' : 'for the other use'} (${code}); create a new key`;

function pageOf({ byId, ids }: TenantsOfFile, limit: number, cursor: string): TenantPage {
  const start = firstAfter(ids, cursor);
  const page = ids.slice(start, start + limit);
  const tenants = page.flatMap((id) => byId.get(id) ?? []);
  const last = page.at(-1);
  return start + limit < ids.length && last !== undefined ? { tenants, nextCursor: last } : { tenants };
}

/** Returns the index of the first id after `cursor`, which may have been removed. */
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
    'The tenants are in a file: edit it, and the service loads it within a second',
    {
      fix: { owner: 'vendor', action: 'Edit the list of tenants, or move to a database (docs/configuration.md)' },
    },
  );
}

/** Returns the ids that were added, changed or removed. */
function changedIds(before: ReadonlyMap<string, Tenant>, after: ReadonlyMap<string, Tenant>): string[] {
  const ids = new Set([...before.keys(), ...after.keys()]);
  return [...ids].filter((id) => before.get(id)?.revision !== after.get(id)?.revision);
}

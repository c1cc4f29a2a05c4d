import { ServiceError } from '../../errors.ts';
import { type IndexKey, indexKeyFrom } from '../../format/index-key.ts';
import type { Jwe } from '../../format/jwe.ts';
import { singleFlight } from '../../lib/single-flight.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { BranchDataKeys, BranchDeps } from '../branches/branch-deps.ts';
import type { OpeningUse } from '../data-keys.ts';
import type { StoredKey } from '../keyring-store.ts';
import { openStoredKey, parseStoredJwe } from '../stored-key-jwe.ts';
import { alteredKey } from './index-errors.ts';
import type { VersionRow } from './index-plan.ts';

/** An index key in memory, with its row. */
export interface OpenedIndexKey extends VersionRow {
  readonly key: IndexKey;
  readonly dataKey: OpeningUse['dataKey'];
  /**
   * Whether an origin key of this deployment made the JWE's `mac`. Without it the key opens
   * deterministic values, and makes neither tokens nor values: whoever writes the database may have
   * planted a key that it knows.
   */
  readonly isOurs: boolean;
}

/** The opened index keys of one tenant, each while access to its key version is proven. */
export class OpenedIndexKeys {
  readonly #tenant: Tenant;
  readonly #deps: BranchDeps;
  readonly #dataKeys: BranchDataKeys;
  readonly #opened = new Map<string, OpenedIndexKey>();
  readonly #opening = new Map<string, Promise<OpenedIndexKey>>();

  constructor(tenant: Tenant, dataKeys: BranchDataKeys, deps: BranchDeps) {
    this.#tenant = tenant;
    this.#dataKeys = dataKeys;
    this.#deps = deps;
  }

  /** Returns the key if no call is needed; undefined otherwise. */
  take({ row }: VersionRow, now: number): OpenedIndexKey | undefined {
    const opened = this.#opened.get(row.id);
    if (!opened || opened.row.jwe !== row.jwe || !this.#dataKeys.proofs.accessTo(row.kid).isFresh(now))
      return undefined;
    this.#dataKeys.proofs.renewAhead(opened.dataKey, now);
    return opened;
  }

  /**
   * Returns the key, with access to its key version proven.
   * @throws ServiceError `registry-unavailable`, reason `index-key-altered`, for a row that
   * contradicts its JWE, and the failures of the vault
   */
  open(version: VersionRow): Promise<OpenedIndexKey> {
    return singleFlight(this.#opening, `${version.row.id} ${version.row.jwe}`, () => this.#open(version));
  }

  /** Evicts the keys under one key version; without one, all of them. */
  evict(kid?: string): void {
    for (const [id, { row }] of this.#opened) if (kid === undefined || row.kid === kid) this.#opened.delete(id);
  }

  /** Evicts the keys that are not among these rows. */
  keepOnly(rows: readonly StoredKey[]): void {
    const kept = new Map(rows.map(({ id, jwe }) => [id, jwe]));
    for (const [id, { row }] of this.#opened) if (kept.get(id) !== row.jwe) this.#opened.delete(id);
  }

  get size(): number {
    return this.#opened.size;
  }

  async #open(version: VersionRow): Promise<OpenedIndexKey> {
    const { row } = version;
    const jwe = this.#parse(row);
    const { dataKey } = await this.#dataKey(row, jwe);
    const known = this.#opened.get(row.id);
    if (known && known.row.jwe === row.jwe) return known;
    const opened = this.#openKey(version, jwe, dataKey);
    this.#opened.set(row.id, opened);
    return opened;
  }

  #parse(row: StoredKey): Jwe {
    try {
      return parseStoredJwe(row);
    } catch (cause) {
      throw this.#altered(row, cause);
    }
  }

  async #dataKey(row: StoredKey, jwe: Jwe): Promise<OpeningUse> {
    try {
      return await this.#dataKeys.forOpening(jwe, this.#deps.kekOf(this.#tenant, jwe));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (error.code === 'unknown-key') throw unregistered(error);
      throw BROKEN.has(error.code) ? this.#altered(row, error) : error;
    }
  }

  #openKey(version: VersionRow, jwe: Jwe, dataKey: OpeningUse['dataKey']): OpenedIndexKey {
    const { row } = version;
    try {
      const { bytes, isOurs } = openStoredKey(row, jwe, dataKey, this.#deps.originKeys.current());
      return { ...version, key: indexKeyFrom(bytes, version.name, version.version), dataKey, isOurs };
    } catch (cause) {
      throw this.#altered(row, cause);
    }
  }

  #altered(row: StoredKey, cause: unknown): ServiceError {
    this.#deps.onDisagreement(row);
    this.#deps.counts.indexRefusals['index-key-altered'] += 1;
    return alteredKey(cause);
  }
}

const BROKEN: ReadonlySet<string> = new Set(['undecryptable', 'malformed-ciphertext', 'wrong-tenant']);

const unregistered = (cause: ServiceError): ServiceError =>
  cause.with({
    errors: undefined,
    fix: { owner: 'vendor', action: "Add the vault key that wraps the index's keys to `retiredKeys` of the tenant" },
    cause,
  });

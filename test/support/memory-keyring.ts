import { ServiceError } from '../../src/errors.ts';
import type {
  KeyKind,
  KeyName,
  KeyringReading,
  KeyringStore,
  MovedKey,
  NewStoredKey,
  Restored,
  StoredKey,
  VersionNeed,
} from '../../src/keyring/keyring-store.ts';
import type { Clock } from '../../src/lib/clock.ts';

interface Row extends StoredKey {
  readonly madeUnder: string | undefined;
  readonly copiedJwe: string | undefined;
}

const shown = ({ madeUnder: _madeUnder, copiedJwe, ...row }: Row): StoredKey => ({
  ...row,
  isCopied: row.jwe !== undefined && copiedJwe === row.jwe,
});

/** A keyring in memory, under a clock that a test moves: epochs of days pass at once. */
export class MemoryKeyring implements KeyringStore {
  rows: Row[] = [];
  /** While set, every call fails as with an unreachable database. */
  isAway: boolean = false;
  /** Reads and writes since the start. */
  calls = 0;
  readonly #clock: Clock;
  /** Changes when a test puts another database in this one's place. */
  id: string;
  readonly #changed: (tenantId: string) => void;

  constructor(clock: Clock, changed: (tenantId: string) => void = () => undefined, id = 'memory') {
    this.#clock = clock;
    this.#changed = changed;
    this.id = id;
  }

  async databaseId(): Promise<string> {
    this.#enter();
    return this.id;
  }

  async now(): Promise<number> {
    this.#enter();
    return this.#clock.wallMs();
  }

  async find(tenantId: string, ids: readonly string[]): Promise<KeyringReading> {
    return this.#reading((row) => row.tenantId === tenantId && ids.includes(row.id));
  }

  async missing(names: readonly KeyName[]): Promise<readonly KeyName[]> {
    this.#enter();
    return names.filter((name) => this.#named(name) === undefined);
  }

  async labelled(
    tenantId: string,
    kind: KeyKind,
    vaultKey: string,
    labels: readonly string[],
  ): Promise<KeyringReading> {
    return this.#reading((row) => isUnder(row, tenantId, kind, vaultKey) && labels.includes(row.label));
  }

  async ofKind(tenantId: string, kind: KeyKind): Promise<KeyringReading> {
    return this.#reading((row) => row.tenantId === tenantId && row.kind === kind);
  }

  async oldest(tenantId: string, kind: KeyKind, vaultKey: string): Promise<KeyringReading> {
    const { keys, ...rest } = this.#reading((row) => isUnder(row, tenantId, kind, vaultKey));
    return { keys: keys.slice(0, 1), ...rest };
  }

  async page(limit: number, after: KeyName | undefined, tenantId?: string): Promise<KeyringReading> {
    const place = ({ tenantId: tenant, id }: KeyName) => `${tenant} ${id}`;
    const { keys, ...reading } = this.#reading((row) => tenantId === undefined || row.tenantId === tenantId);
    const rest = keys
      .toSorted((a, b) => (place(a) < place(b) ? -1 : 1))
      .filter((row) => after === undefined || place(row) > place(after));
    return { keys: rest.slice(0, limit), ...reading };
  }

  async create(key: NewStoredKey): Promise<boolean> {
    this.#enter();
    const isTaken = this.rows.some(
      (row) =>
        (row.tenantId === key.tenantId && row.id === key.id) ||
        (isUnder(row, key.tenantId, key.kind, key.vaultKey) && row.label === key.label && row.madeUnder === key.kid),
    );
    if (!isTaken) this.#add(key, key.kid);
    return !isTaken;
  }

  async restore(key: NewStoredKey): Promise<Restored> {
    this.#enter();
    const row = this.#named(key);
    if (row) return row.jwe === undefined ? 'destroyed' : 'present';
    this.#add(key, undefined);
    return 'added';
  }

  async replace(name: KeyName, before: string, { isCopied, ...after }: MovedKey): Promise<boolean> {
    const copied = isCopied ? { copiedJwe: after.jwe, copiedKid: after.kid } : {};
    const row = this.#named(name);
    const madeUnder = row?.vaultKey === after.vaultKey ? row.madeUnder : undefined;
    return this.#change(name, (stored) => stored.jwe === before, { ...after, ...copied, madeUnder });
  }

  async markCopied(keys: readonly (KeyName & Pick<NewStoredKey, 'jwe' | 'kid'>)[]): Promise<void> {
    for (const { jwe, kid, ...name } of keys) {
      const copiedAt = this.#named(name)?.copiedAt ?? this.#clock.wallMs();
      this.#change(name, (row) => row.jwe === jwe, { copiedJwe: jwe, copiedKid: kid, copiedAt });
    }
  }

  async destroy(tenantId: string, ids: readonly string[]): Promise<readonly KeyName[]> {
    return ids
      .map((id) => ({ tenantId, id }))
      .filter((name) => this.#change(name, (row) => row.jwe !== undefined, { jwe: undefined }));
  }

  async needs(tenantId: string): Promise<readonly VersionNeed[]> {
    const { keys } = this.#reading((row) => row.tenantId === tenantId && row.jwe !== undefined);
    const kids = new Set(keys.flatMap(({ kid, copiedKid }) => [kid, ...(copiedKid === undefined ? [] : [copiedKid])]));
    return [...kids].map((kid) => ({
      kid,
      keys: keys.filter((row) => row.kid === kid).length,
      copies: keys.filter((row) => row.copiedKid === kid).length,
    }));
  }

  #enter(): void {
    this.calls += 1;
    if (this.isAway) throw new ServiceError('registry-unavailable', 'The database is out of reach', { retryAfter: 5 });
  }

  #reading(isWanted: (row: Row) => boolean): KeyringReading {
    this.#enter();
    return { keys: this.rows.filter(isWanted).map(shown), nowMs: this.#clock.wallMs(), databaseId: this.id };
  }

  #add(key: NewStoredKey, madeUnder: string | undefined): void {
    const row = { ...key, createdAt: this.#clock.wallMs(), copiedAt: undefined, copiedKid: undefined, isCopied: false };
    this.rows.push({ ...row, madeUnder, copiedJwe: undefined });
    this.#changed(key.tenantId);
  }

  #named = ({ tenantId, id }: KeyName): Row | undefined =>
    this.rows.find((row) => row.tenantId === tenantId && row.id === id);

  #change(name: KeyName, isAsRead: (row: Row) => boolean, change: Partial<Row>): boolean {
    this.#enter();
    const row = this.#named(name);
    if (!row || !isAsRead(row)) return false;
    this.rows = this.rows.map((other) => (other === row ? { ...row, ...change } : other));
    this.#changed(name.tenantId);
    return true;
  }
}

const isUnder = (row: StoredKey, tenantId: string, kind: KeyKind, vaultKey: string): boolean =>
  row.tenantId === tenantId && row.kind === kind && row.vaultKey === vaultKey;

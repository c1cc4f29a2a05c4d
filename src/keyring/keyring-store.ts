/** `branch` keys seal compact messages; `index` keys make look-up tokens and deterministic values. */
export type KeyKind = 'branch' | 'index';

/** Names one stored key. */
export interface KeyName {
  readonly tenantId: string;
  /** 8 random bytes in base64url. */
  readonly id: string;
}

/** What a new key is made with; the database adds its times. */
export interface NewStoredKey extends KeyName {
  readonly kind: KeyKind;
  /** The registered key that it was made under, `https://HOST/keys/NAME` in lower case. */
  readonly vaultKey: string;
  /** Of a branch: the start of its epoch, RFC 3339 UTC. Of an index: name, a space, version. */
  readonly label: string;
  /** A self-contained message whose plaintext is the key. */
  readonly jwe: string;
  /** Key version that the JWE names. */
  readonly kid: string;
}

/** A key as it is stored: wrapped, and found by columns that its JWE must confirm. Times are ms since 1970 by the database's clock. */
export interface StoredKey extends Omit<NewStoredKey, 'jwe'> {
  /** Undefined in a tombstone: the key was destroyed. */
  readonly jwe: string | undefined;
  readonly createdAt: number;
  /** Key version that the newest copy outside of the database names; undefined without a copy. */
  readonly copiedKid: string | undefined;
  /** Whether this very JWE was copied outside of the database. */
  readonly isCopied: boolean;
}

/** Rows and the database's time at which they were read. */
export interface KeyringReading {
  readonly keys: readonly StoredKey[];
  readonly nowMs: number;
}

/** How many keys need one key version. */
export interface VersionNeed {
  readonly kid: string;
  /** Rows whose JWE names it. */
  readonly keys: number;
  /** Newest copies that name it. */
  readonly copies: number;
}

/** What became of a key that was to be put back. */
export type Restored = 'added' | 'present' | 'destroyed';

/**
 * Branch and index keys in the registry's database. Every change of a row is a compare-and-swap on the JWE that was read, bumps the
 * number of the change feed, and is durable once it resolves. Methods reject with ServiceError `registry-unavailable`.
 */
export interface KeyringStore {
  /** Random id of this database, made with its tables. */
  databaseId(): Promise<string>;
  /** The database's clock, ms since 1970. */
  now(): Promise<number>;
  /** These keys of a tenant, tombstones included; unknown ids are left out. */
  find(tenantId: string, ids: readonly string[]): Promise<KeyringReading>;
  /** Keys of a kind with one of these labels, oldest first, made under this registered key. */
  labelled(tenantId: string, kind: KeyKind, vaultKey: string, labels: readonly string[]): Promise<KeyringReading>;
  /** The first key of a kind that was made under this registered key; none at all is an empty reading. */
  oldest(tenantId: string, kind: KeyKind, vaultKey: string): Promise<KeyringReading>;
  /** Keys of all tenants in the order of their names, removed tenants and tombstones included; `tenantId` restricts it to one. */
  page(limit: number, after: KeyName | undefined, tenantId?: string): Promise<KeyringReading>;
  /** Returns false where another process has made a key with the same tenant, registered key, label and key version. */
  create(key: NewStoredKey): Promise<boolean>;
  /** Puts back a key that a process or a copy holds. Nothing overwrites a tombstone. */
  restore(key: NewStoredKey): Promise<Restored>;
  /** Replaces the JWE where it is still `before`. */
  replace(name: KeyName, before: string, after: Pick<NewStoredKey, 'jwe' | 'kid'>): Promise<boolean>;
  /** Notes that these JWEs were copied outside of the database; a row that has another JWE by now stays as it is. */
  markCopied(keys: readonly (KeyName & Pick<NewStoredKey, 'jwe' | 'kid'>)[]): Promise<void>;
  /** Notes the day of the last use, `YYYY-MM-DD`. */
  markUsed(names: readonly KeyName[], day: string): Promise<void>;
  /** Turns keys into tombstones; returns the names of those that were none. */
  destroy(tenantId: string, ids: readonly string[]): Promise<readonly KeyName[]>;
  /** Per key version of a tenant: how many keys and copies need it. */
  needs(tenantId: string): Promise<readonly VersionNeed[]>;
}

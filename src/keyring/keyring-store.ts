/**
 * `branch` keys seal compact messages; `index` keys make look-up tokens and deterministic values.
 */
export type KeyKind = 'branch' | 'index';

/** Names one stored key. */
export interface KeyName {
  readonly tenantId: string;
  /** 8 random bytes in base64url. */
  readonly id: string;
}

/** The members of a new key; the database adds its times. */
export interface NewStoredKey extends KeyName {
  readonly kind: KeyKind;
  /** The registered key under which it was made, `https://HOST/keys/NAME` in lower case. */
  readonly vaultKey: string;
  /** Of a branch: the start of its epoch, RFC 3339 UTC. Of an index: its version, `email 1 128 nfc`. */
  readonly label: string;
  /** A self-contained message whose plaintext is the key. */
  readonly jwe: string;
  /** Key version that the JWE names. */
  readonly kid: string;
}

/**
 * A stored key: wrapped, and found by columns that its JWE must confirm. Times are ms since 1970 by
 * the database's clock.
 */
export interface StoredKey extends Omit<NewStoredKey, 'jwe'> {
  /** Undefined in a tombstone: the key was destroyed. */
  readonly jwe: string | undefined;
  readonly createdAt: number;
  /** Key version that the newest copy outside the database names; undefined without a copy. */
  readonly copiedKid: string | undefined;
  /** The time of its first copy; undefined without one, or for one of an older release. */
  readonly copiedAt: number | undefined;
  /** Whether exactly this JWE was copied outside the database. */
  readonly isCopied: boolean;
}

/** Rows and the database's time of reading. */
export interface KeyringReading {
  readonly keys: readonly StoredKey[];
  readonly nowMs: number;
  /** The database that was read: after a failover by name it may be another one. */
  readonly databaseId: string;
}

/** The number of keys that need one key version. */
export interface VersionNeed {
  readonly kid: string;
  /** Rows whose JWE names it. */
  readonly keys: number;
  /** Newest copies that name it. */
  readonly copies: number;
}

/** The members of a key that change when it is wrapped by another key version. */
export interface MovedKey extends Pick<NewStoredKey, 'vaultKey' | 'jwe' | 'kid'> {
  /** Whether this JWE is copied outside the database already. */
  readonly isCopied: boolean;
}

/** A change of a stored key, for the audit and the log. */
export type BranchEvent =
  | 'branch-created'
  | 'branch-rewrapped'
  | 'branch-put-back'
  | 'branch-destroyed'
  | 'index-created'
  | 'index-put-back'
  | 'index-retired';

/** The result of restoring a key. */
export type Restored = 'added' | 'present' | 'destroyed';

/**
 * Branch and index keys in the registry's database. Every change of a row is a compare-and-swap on
 * the JWE that was read. It increments the number of the change feed, and is durable once it
 * resolves. Methods reject with ServiceError `registry-unavailable`.
 */
export interface KeyringStore {
  /** Returns the random id of this database, made with its tables. */
  databaseId(): Promise<string>;
  /** Returns the database's time, ms since 1970. */
  now(): Promise<number>;
  /** Returns these keys of a tenant, tombstones included; unknown ids are left out. */
  find(tenantId: string, ids: readonly string[]): Promise<KeyringReading>;
  /** Returns those of the names that this database has no row of, not even a tombstone. */
  missing(names: readonly KeyName[]): Promise<readonly KeyName[]>;
  /**
   * Returns the keys of a kind with one of these labels that were made under this registered key,
   * oldest first.
   */
  labelled(tenantId: string, kind: KeyKind, vaultKey: string, labels: readonly string[]): Promise<KeyringReading>;
  /** Returns a tenant's keys of a kind, tombstones included, whatever key they are under. */
  ofKind(tenantId: string, kind: KeyKind): Promise<KeyringReading>;
  /**
   * Returns the first key of a kind that was made under this registered key; without one the
   * reading is empty.
   */
  oldest(tenantId: string, kind: KeyKind, vaultKey: string): Promise<KeyringReading>;
  /**
   * Returns keys of all tenants in the order of their names, removed tenants and tombstones
   * included; `tenantId` limits it to one.
   */
  page(limit: number, after: KeyName | undefined, tenantId?: string): Promise<KeyringReading>;
  /**
   * Returns false if another process made a key with the same tenant, registered key, label and key
   * version.
   */
  create(key: NewStoredKey): Promise<boolean>;
  /** Restores a key that a process or a copy holds. It never overwrites a tombstone. */
  restore(key: NewStoredKey): Promise<Restored>;
  /** Replaces the JWE if it is still `before`; returns whether it did. */
  replace(name: KeyName, before: string, after: MovedKey): Promise<boolean>;
  /**
   * Notes that these JWEs were copied outside the database; a row with another JWE stays unchanged.
   */
  markCopied(keys: readonly (KeyName & Pick<NewStoredKey, 'jwe' | 'kid'>)[]): Promise<void>;
  /** Turns keys into tombstones; returns the names of those that were not tombstones before. */
  destroy(tenantId: string, ids: readonly string[]): Promise<readonly KeyName[]>;
  /** Returns the number of keys and copies that need each key version of a tenant. */
  needs(tenantId: string): Promise<readonly VersionNeed[]>;
}

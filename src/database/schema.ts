/**
 * The tables, in SQL that SQLite and PostgreSQL share. Times are milliseconds since 1970, so that
 * both compare and add them alike, whatever the server's time zone. Records are JSON in text
 * columns, because they are only ever read whole. There they keep the order of their members and
 * may hold U+0000, which `jsonb` refuses.
 */
export interface Schema {
  readonly schema_migrations: { version: number; name: string; applied_at: number };
  /**
   * One row, whose number every change of a tenant increments. In PostgreSQL its row lock
   * serialises writers; SQLite has one writer at a time anyway. So numbers are committed in order,
   * and "greater than the last one seen" misses no change.
   */
  readonly tenant_changes: { id: number; sequence: number };
  readonly tenants: {
    id: string;
    record: string;
    revision: number;
    state: string;
    created_at: number;
    updated_at: number;
    /** If set, the row is a tombstone: only the proof that its id was once used. */
    removed_at: number | null;
    change_sequence: number;
  };
  /**
   * The tenant that first had a vault key, and the use. Rows are permanent; a second row of one key
   * is from before schema 4.
   */
  readonly key_uses: { vault_key: string; tenant_id: string; use: string; registered_at: number };
  readonly tenant_history: {
    tenant_id: string;
    revision: number;
    action: string;
    record: string;
    changed_by: string;
    changed_at: number;
  };
  /** The time of a tenant's next visit, and the result of the last one. */
  readonly tenant_checks: {
    tenant_id: string;
    /** 1 while the tenant is active; other tenants are not visited. */
    is_watched: number;
    /**
     * While a lease runs, its end: a visit that died becomes due again by itself, and a claim needs
     * only this column.
     */
    due_at: number;
    lease_owner: string | null;
    last_check: string | null;
    /** Number of state changes: the number of the newest row in check_history. */
    changes: number;
  };
  /** How often each key version of a tenant was used, by all processes together. */
  readonly key_usage: { tenant_id: string; key_id: string; sealed: number; opened: number; last_used_at: number };
  /** PostgreSQL only. Each line as in the audit file; the columns are extracted from it. */
  readonly audit_records: {
    at: number;
    chain: string;
    sequence: number;
    tenant_id: string | null;
    /** Of a record of type `removed`: the chain whose beginning was removed. */
    removes: string | null;
    line: string;
  };
  readonly check_history: { tenant_id: string; change: number; check: string };
  /**
   * One row with a random id. By it the home vault identifies the one database whose branch keys
   * may seal.
   */
  readonly database_identity: { id: string };
  /** As `tenant_changes`, for keys of the keyring. */
  readonly keyring_changes: { id: number; sequence: number };
  /**
   * Branch and index keys, wrapped. The columns serve to find a row; its JWE defines its content.
   */
  readonly keyring_keys: {
    tenant_id: string;
    id: string;
    kind: string;
    vault_key: string;
    label: string;
    /** NULL in a tombstone. */
    jwe: string | null;
    kid: string;
    /** Key version at its creation; NULL for a row that was restored or imported. */
    made_under: string | null;
    created_at: number;
    /** SHA-256 of the JWE that was last copied out of the database, and its key version. */
    copied_digest: string | null;
    copied_kid: string | null;
    rewrapped_at: number | null;
    destroyed_at: number | null;
    used_day: string | null;
    change_sequence: number;
  };
}

/**
 * The tables, in SQL that SQLite and PostgreSQL share. Times are milliseconds since 1970, so that both compare and add them alike,
 * whatever the server's time zone; records are JSON in text columns, since they are only ever read whole, keep the order of their
 * members there, and may hold U+0000, which `jsonb` refuses.
 */
export interface Schema {
  readonly schema_migrations: { version: number; name: string; applied_at: number };
  /**
   * One row, whose number every change of a tenant takes. Its row lock makes writers of PostgreSQL follow each other (SQLite has one at a
   * time anyway), so numbers are committed in their order and "greater than the last one seen" misses nothing.
   */
  readonly tenant_changes: { id: number; sequence: number };
  readonly tenants: {
    id: string;
    record: string;
    revision: number;
    state: string;
    created_at: number;
    updated_at: number;
    /** Set, the row is a tombstone: nothing but the proof that its id was given out. */
    removed_at: number | null;
    change_sequence: number;
  };
  /** Which tenant ever had a vault key, and for which use. Rows are for ever; a second row of one key is from before schema 4. */
  readonly key_uses: { vault_key: string; tenant_id: string; use: string; registered_at: number };
  readonly tenant_history: {
    tenant_id: string;
    revision: number;
    action: string;
    record: string;
    changed_by: string;
    changed_at: number;
  };
  /** When a tenant is visited next, and what the last visit found. */
  readonly tenant_checks: {
    tenant_id: string;
    /** 1 while the tenant is active: the others are not visited. */
    is_watched: number;
    /** While a lease runs, its end: a visit that died is due again by itself, and a claim needs this one column. */
    due_at: number;
    lease_owner: string | null;
    last_check: string | null;
    /** How many changes of state there were: the number of the newest row in check_history. */
    changes: number;
  };
  /** How often each key version of a tenant was used, by all processes together. */
  readonly key_usage: { tenant_id: string; key_id: string; sealed: number; opened: number; last_used_at: number };
  /** PostgreSQL alone. Each line as the audit file has it; the columns are out of it. */
  readonly audit_records: {
    at: number;
    chain: string;
    sequence: number;
    tenant_id: string | null;
    /** Of a record of type `removed`: the chain whose beginning went. */
    removes: string | null;
    line: string;
  };
  readonly check_history: { tenant_id: string; change: number; check: string };
  /** One row: a random id, by which the home vault knows the one database whose branch keys may seal. */
  readonly database_identity: { id: string };
  /** As `tenant_changes`, for keys of the keyring. */
  readonly keyring_changes: { id: number; sequence: number };
  /** Branch and index keys, wrapped. The columns find a row; its JWE says what it is. */
  readonly keyring_keys: {
    tenant_id: string;
    id: string;
    kind: string;
    vault_key: string;
    label: string;
    /** NULL in a tombstone. */
    jwe: string | null;
    kid: string;
    /** Key version at its creation; NULL for a row that was put back or imported. */
    made_under: string | null;
    created_at: number;
    /** SHA-256 of the JWE that was copied outside of the database last, and the key version in it. */
    copied_digest: string | null;
    copied_kid: string | null;
    rewrapped_at: number | null;
    destroyed_at: number | null;
    used_day: string | null;
    change_sequence: number;
  };
}

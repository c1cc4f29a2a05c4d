import type { Generated } from 'kysely';

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
    /** The display name, or the id without one, as searches compare it. */
    name_key: Generated<string>;
    /** The customer's directory, from the record. */
    directory_id: Generated<string>;
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
    /** The state of the last check, and the step that failed, from its text. */
    outcome: Generated<string | null>;
    step: Generated<string | null>;
    /** The time of the last check; 0 before the first. */
    checked_at: Generated<number>;
    /** Number of state changes: the number of the newest row in check_history. */
    changes: number;
  };
  /** How often each key version of a tenant was used, by all processes together. */
  readonly key_usage: { tenant_id: string; key_id: string; sealed: number; opened: number; last_used_at: number };
  /** Each line as in the audit file; the columns are extracted from it. */
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
    /** The time of the first copy. */
    copied_at: number | null;
    /** SHA-256 of the JWE that was last copied out of the database, and its key version. */
    copied_digest: string | null;
    copied_kid: string | null;
    rewrapped_at: number | null;
    destroyed_at: number | null;
    change_sequence: number;
  };
  /** The chains of `audit_records`, and how far their records are in the transparency logs. */
  readonly audit_chains: {
    chain: string;
    /** Sequence number of the last record in the table … */
    stored: number;
    /** … and of the last one that is in its tenant's log, or is of no tenant; -1 for none. */
    sequenced: number;
    /** Time since which the next record is missing although later ones are stored. */
    waiting_since: number | null;
    /**
     * Sequence number of the last record that was removed with its day; -1 for none. Up to it no
     * record counts in the tenants' usage again.
     */
    removed: Generated<number>;
    /** The database's time when the last record of the chain was removed; NULL while it has any. */
    removed_at: number | null;
  };
  /** Records that a chain lacked for so long that its later ones were sequenced before them. */
  readonly log_gaps: { chain: string; first: number; last: number; filled: number; noted_at: number };
  /**
   * The entries of each tenant's transparency log. `sequence` counts from 0 without gaps; `leaf` is
   * the leaf's hash. The line is in `audit_records`, except that of an entry which the sequencer
   * wrote itself: such an entry has no `chain_sequence`.
   */
  readonly log_entries: {
    tenant_id: string;
    sequence: number;
    leaf: string;
    chain: string;
    chain_sequence: number | null;
    at: number;
    line: string | null;
  };
  /** Root of each full tile: at level l it covers 256^(l+1) entries, from place * 256^(l+1) on. */
  readonly log_subtrees: { tenant_id: string; level: number; place: number; root: string };
  readonly log_heads: {
    tenant_id: string;
    size: number;
    /** Roots of the perfect subtrees that make up the tree of the first `edge_size` entries, the largest first. */
    edge: Uint8Array;
    edge_size: number;
    /** Time of the next checkpoint; NULL while the last one is current. */
    due_at: number | null;
    signed_size: number;
    /** The last signed checkpoint. */
    checkpoint: string | null;
  };
  /**
   * One row: the state that the home vault must know before a checkpoint is signed. By it a
   * restored database is recognised.
   */
  readonly log_anchor: {
    id: number;
    /** Number of the logs' origin; a restart begins the next one. */
    generation: number;
    /** The token that the home vault has; NULL before the first checkpoint. */
    token: string | null;
    /** The token that it gets next; it has either of the two. */
    pending: string | null;
    lease_owner: string | null;
    lease_until: number;
  };
  /** How far the records of each tenant are in its customer's SIEM. */
  readonly siem_cursors: {
    tenant_id: string;
    /** 1 while the tenant has a SIEM and is active; others get nothing. */
    is_followed: number;
    /** Number of the next entry of the tenant's log to deliver. */
    next: number;
    /** Time of the last delivered record … */
    delivered_until: number | null;
    /** … and of its delivery. */
    delivered_at: number | null;
    /** Time of the next delivery; while a lease runs, its end. */
    due_at: number;
    lease_owner: string | null;
    failures: number;
    /** Why the last delivery failed, as JSON; NULL after a success. */
    trouble: string | null;
    trouble_since: number | null;
  };
  /**
   * Leases of leaf keys, and their holders' reports. No key is stored. Rows are deleted a day after
   * their end.
   */
  readonly leases: {
    tenant_id: string;
    id: string;
    /** SHA-256 of the principal, which may be longer than an index accepts. */
    holder: string;
    /** A JSON text, so that it may contain any character of a token. */
    principal: string;
    kid: string;
    key_id: string;
    max_messages: number;
    ends_at: number;
    /**
     * When a missing report is noticed; while a process records it, the end of that claim. NULL
     * once it was recorded, and after the final report.
     */
    due_at: number | null;
    sealed: number;
    /** JSON: messages opened, by key version and `kid`. */
    opened: string;
    bytes: number;
    finished_at: number | null;
  };
  /** Leaves of existing messages that a caller received: its reports may name them. */
  readonly lease_openings: {
    tenant_id: string;
    holder: string;
    kid: string;
    principal: string;
    key_id: string;
    ends_at: number;
    due_at: number | null;
  };
  /** As `tenant_changes`, for bells that rang. */
  readonly bell_changes: { id: number; sequence: number };
  /** The bell of a tenant, by its digest. Times are the database's own. */
  readonly bells: {
    tenant_id: string;
    generation: number;
    digest: string;
    rung_at: number;
    change_sequence: number;
  };
  /** As `tenant_changes`, for drills that started. */
  readonly drill_changes: { id: number; sequence: number };
  /** Drills of revocations, at most 20 of a tenant. Times are the database's own. */
  readonly drills: {
    tenant_id: string;
    id: string;
    state: string;
    bound_ms: number;
    sign_in_bound_ms: number;
    started_by: string;
    started_at: number;
    ends_at: number;
    ended_at: number | null;
    /** The signed report: a JWS. */
    report: string | null;
    change_sequence: number;
  };
  /** The outcomes that each process saw during a drill: a row for each change. */
  readonly drill_sightings: {
    tenant_id: string;
    drill_id: string;
    process: string;
    mode: string;
    number: number;
    outcome: string;
    code: string | null;
    reason: string | null;
    scope: string | null;
    key_id: string | null;
    vault_request_id: string | null;
    vault_client_request_id: string | null;
    audit_request_id: string;
    from_at: number;
    to_at: number;
  };
  /** How far the records of each chain are in the vendor's collector: up to the number before `next`. */
  readonly otlp_cursors: {
    chain: string;
    next: number;
    delivered_until: number | null;
    delivered_at: number | null;
    /** As in `tenant_checks`: while a lease runs, its end. */
    due_at: number;
    lease_owner: string | null;
    failures: number;
  };
  /** What tenants with a quota used in their current period. */
  readonly quota_uses: { tenant_id: string; start: number; period_ms: number; operations: number; bytes: number };
  /**
   * What each tenant used, by hour, and by day once the hours are old: `hours` is 1 or 24. A tenant's
   * records are counted in the transaction that stores them.
   */
  readonly usage_sums: {
    tenant_id: string;
    start: number;
    hours: number;
    operations: number;
    failures: number;
    bytes: number;
    vault_calls: number;
    leases: number;
    leased_messages: number;
  };
  /** Links to the page of a tenant's customer. `allow` is a list with commas. */
  readonly onboarding_links: {
    id: string;
    tenant_id: string;
    allow: string;
    created_at: number;
    created_by: string;
    expires_at: number;
    revoked_at: number | null;
    used_at: number | null;
  };
}

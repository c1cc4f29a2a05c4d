/** Items of a batch under one key version and one proof of access. */
export interface AuditKeyUse {
  readonly keyId: string;
  /** Empty when the vault's answer had none. */
  readonly vaultRequestId: string;
  /** Absent in records of before 1.1. */
  readonly vaultClientRequestId?: string;
  /** As that of the event. */
  readonly policy?: string;
  readonly count: number;
}

/** A stored branch or index key that an operation made, moved, restored or destroyed. */
interface AuditStoredKey {
  /** Its branch id, 11 characters of base64url. */
  readonly id: string;
  /** Of a branch key, the start of its epoch; of an index key, the index and the version. */
  readonly label: string;
  /** SHA-256 of its JWE, base64url: the record identifies the key and does not contain it. */
  readonly jweDigest: string;
}

/** The caller's claims about one access to data. They are not verified. */
export interface AuditAccess {
  readonly subject?: string;
  readonly reason?: string;
  readonly label?: string;
}

/**
 * The content of an audit record of one request: the caller, the operation, the key and the result.
 */
export interface AuditEvent {
  readonly operation: string;
  readonly outcome: 'succeeded' | 'refused' | 'failed';
  /**
   * Of a stream, which has a record before its first byte and one before its last; a stream without
   * the second was aborted. Of a lease's final report: `finished`.
   */
  readonly phase?: 'started' | 'finished';
  /** The published error code; absent when the operation succeeded. */
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  /** Our own UUID of the request, the one of `X-Request-Id`. */
  readonly requestId: string;
  /** The caller's own id of the request. */
  readonly clientRequestId?: string | undefined;
  /** Issuer and subject of the verified token; absent when there was none. */
  readonly principal?: string | undefined;
  readonly tenantId?: string | undefined;
  /** Full id of the Key Vault key version used. */
  readonly keyId?: string | undefined;
  /** Size of the plaintext or value. */
  readonly bytes?: number | undefined;
  /**
   * HMAC of the canonical encryption context under a key of the tenant's: equal contexts can be
   * matched, none can be read.
   */
  readonly context?: string | undefined;
  /**
   * `x-ms-request-id` of the vault call that proved or refused access: CorrelationId in the
   * customer's log. Of a batch: of an item's refusal.
   */
  readonly vaultRequestId?: string | undefined;
  /**
   * `x-ms-client-request-id` of the same call, which is ours. It is present without an answer too.
   */
  readonly vaultClientRequestId?: string | undefined;
  /** The customer's policy on the key: first 16 hex digits of its hash. Absent without one. */
  readonly policy?: string | undefined;
  /** Of a batch: the number of items by result, which is a code or `succeeded`. */
  readonly items?: Readonly<Record<string, number>> | undefined;
  /**
   * Of a batch: each key version used, with the vault call that proved access to it and the number
   * of items.
   */
  readonly keys?: readonly AuditKeyUse[] | undefined;
  /** Name of the index that the operation used or changed. */
  readonly index?: string | undefined;
  /** The stored key that the operation changed; `keyId` is the version that its JWE names. */
  readonly storedKey?: AuditStoredKey | undefined;
  /**
   * What the caller said about this access, in text or, by `audit.access: keyed`, as HMACs under a
   * key of the tenant's.
   */
  readonly access?: AuditAccess | undefined;
  /** Id of the lease that was given out, reported on or found overdue. */
  readonly lease?: string | undefined;
  /**
   * The `kid` of each leaf whose key was given out. A message names its leaf, so the holder of its
   * key can be found.
   */
  readonly leaves?: readonly string[] | undefined;
  /** Id of the onboarding link that was issued or revoked. The holder of a link is a principal. */
  readonly link?: string | undefined;
  /** The number of requests that this record stands for; absent for one. */
  readonly count?: number | undefined;
}

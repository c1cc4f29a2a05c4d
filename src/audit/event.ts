/** What an audit record says of one request: who asked for what, with which key, and how it ended. */
export interface AuditEvent {
  readonly operation: string;
  readonly outcome: 'succeeded' | 'refused' | 'failed';
  /** Of a stream, which has a record before its first byte and one before its last; a stream without the second was aborted. */
  readonly phase?: 'started' | 'finished';
  /** The published error code; absent when the operation succeeded. */
  readonly code?: string;
  readonly reason?: string;
  /** Our own UUID of the request, the one of `X-Request-Id`. */
  readonly requestId: string;
  /** The caller's own id of the request. */
  readonly clientRequestId?: string;
  /** Issuer and subject of the verified token; absent when there was none. */
  readonly principal?: string;
  readonly tenantId?: string;
  /** Full id of the Key Vault key version used. */
  readonly keyId?: string;
  /** Size of the plaintext or value. */
  readonly bytes?: number;
  /** HMAC of the canonical encryption context under the audit key: equal contexts can be matched, none can be read. */
  readonly context?: string;
  /** `x-ms-client-request-id` of the vault call that proved access: the same id stands in the customer's Key Vault log. */
  readonly vaultRequestId?: string;
  /** How many requests this record stands for; absent for one. */
  readonly count?: number;
}

import type { AuditEvent } from './event.ts';

/**
 * Accepts audit records. No record, no answer: an operation awaits `record` before its first byte
 * is sent.
 */
export interface AuditSink {
  /**
   * Resolves once the record is accepted permanently.
   * @throws ServiceError `audit-unavailable` when it cannot be accepted
   */
  record(event: AuditEvent): Promise<void>;
  /**
   * Returns the reason that no record is accepted at the moment; undefined while records are
   * accepted. For readiness.
   */
  trouble(): string | undefined;
  /** Ends the chain with its `close` record. Later records are refused. */
  close(): Promise<void>;
}

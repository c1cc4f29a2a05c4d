import type { AuditEvent } from './event.ts';

/** Where audit records go. No record, no answer: an operation awaits `record` before its first byte is sent. */
export interface AuditSink {
  /**
   * Resolves once the record is accepted for good.
   * @throws ServiceError `audit-unavailable` when it can't be
   */
  record(event: AuditEvent): Promise<void>;
  /** Why nothing can be accepted at the moment; undefined when all is well. For readiness. */
  trouble(): string | undefined;
  /** Ends the chain with its `close` record. Records after it are refused. */
  close(): Promise<void>;
}

import type { AuditSink } from './sink.ts';
import type { AccessDigest } from './tenant-digests.ts';

/**
 * Returns a sink whose records have the claims about an access as HMACs, so that one can be looked
 * for and none can be read. A record without a tenant has none.
 */
export const keyedAccess = (sink: AuditSink, digest: AccessDigest): AuditSink => ({
  record: ({ access, ...event }) => {
    if (access === undefined || event.tenantId === undefined) return sink.record(event);
    return sink.record({ ...event, access: digest(event.tenantId, access) });
  },
  trouble: () => sink.trouble(),
  close: () => sink.close(),
});

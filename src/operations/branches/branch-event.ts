import { createHash, randomUUID } from 'node:crypto';
import type { AuditEvent } from '../../audit/event.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { BranchEvent, NewStoredKey } from '../../keyring/keyring-store.ts';

/**
 * Returns the audit event of a change of a stored key: it identifies the key and never contains it.
 * Without a request the service made the change by itself.
 */
export const branchEventOf = (
  operation: BranchEvent,
  { tenantId, id, label, kid, jwe }: NewStoredKey,
  request?: AuthenticatedRequest,
): AuditEvent => ({
  operation,
  outcome: 'succeeded',
  requestId: request?.requestId ?? randomUUID(),
  clientRequestId: request?.clientRequestId,
  principal: request?.principal.id,
  tenantId,
  keyId: kid,
  storedKey: { id, label, jweDigest: createHash('sha256').update(jwe).digest('base64url') },
});

import type { AuditEvent } from '../audit/event.ts';
import type { AuditSink } from '../audit/sink.ts';
import type { ContextDigest } from '../audit/tenant-digests.ts';
import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import type { VaultCallIds } from '../errors.ts';

export interface AuditDeps {
  readonly audit: AuditSink;
  readonly contextDigest: ContextDigest;
}

interface Facts
  extends Pick<
    AuditEvent,
    'operation' | 'phase' | 'tenantId' | 'keyId' | 'bytes' | 'index' | 'lease' | 'leaves' | 'items' | 'keys' | 'link'
  > {
  /** The vault call that proves access, if the operation relies on one. */
  readonly vaultCall?: VaultCallIds | undefined;
}

/**
 * Records a success. No record, no answer. Refusals are recorded in one place,
 * `http/answers/problem.ts`.
 * @throws ServiceError `audit-unavailable`
 */
export function recordSuccess(
  deps: AuditDeps,
  request: AuthenticatedRequest,
  facts: Facts,
  context?: Buffer,
): Promise<void> {
  return deps.audit.record({
    operation: facts.operation,
    outcome: 'succeeded',
    ...(facts.phase !== undefined && { phase: facts.phase }),
    requestId: request.requestId,
    clientRequestId: request.clientRequestId,
    principal: request.principal.id,
    tenantId: facts.tenantId,
    keyId: facts.keyId,
    bytes: facts.bytes,
    ...(facts.index !== undefined && { index: facts.index }),
    context: facts.tenantId && digestOf(deps, facts.tenantId, context),
    vaultRequestId: facts.vaultCall?.vaultRequestId,
    vaultClientRequestId: facts.vaultCall?.vaultClientRequestId,
    policy: facts.vaultCall?.policy,
    access: request.access,
    ...(facts.lease !== undefined && leaseFacts(facts)),
    ...(facts.link !== undefined && { link: facts.link }),
  });
}

/** Only calls about leases have these members; all other records keep one shape. */
const leaseFacts = ({ lease, leaves, items, keys }: Facts) => ({ lease, leaves, items, keys });

/**
 * Returns how the audit shows a canonical context: equal ones of a tenant can be matched, none can
 * be read.
 */
export const digestOf = (
  { contextDigest }: Pick<AuditDeps, 'contextDigest'>,
  tenantId: string,
  context: Buffer | undefined,
): string | undefined => context && contextDigest(tenantId, context);

import { ServiceError } from '../errors.ts';
import { canonicalContext, fieldContexts } from '../format/encryption-context.ts';
import type { Tenant } from '../tenants/record.ts';

/**
 * Returns the canonical context of the tenant's new data, with every name that its record requires.
 * Earlier messages still open.
 * @throws ServiceError `malformed-request`
 */
export function contextForSealing(tenant: Tenant, encryptionContext: unknown): Buffer | undefined {
  const context = canonicalContext(encryptionContext);
  assertComplete(tenant, encryptionContext);
  return context;
}

/** The same for the fields of a document: the record's names are required of the caller's part. */
export function fieldContextsForSealing(tenant: Tenant, encryptionContext: unknown): (field: string) => Buffer {
  const contextOf = fieldContexts(encryptionContext);
  assertComplete(tenant, encryptionContext);
  return contextOf;
}

function assertComplete({ requiredContext }: Tenant, encryptionContext: unknown): void {
  const isMissing = (name: string) =>
    encryptionContext === undefined || !Object.hasOwn(encryptionContext as object, name);
  const missing = requiredContext.filter(isMissing);
  if (missing.length === 0) return;
  throw new ServiceError('malformed-request', "The encryption context lacks names that the tenant's record requires", {
    errors: missing.map((name) => ({ pointer: '/encryptionContext', detail: `${name} is required` })),
  });
}

import { ServiceError } from '../errors.ts';
import { canonicalContext } from '../format/encryption-context.ts';
import type { Tenant } from '../tenants/record.ts';

/**
 * Returns the canonical context of the tenant's new data, with every name that its record requires.
 * Earlier messages still open.
 * @throws ServiceError `malformed-request`
 */
export function contextForSealing(tenant: Tenant, encryptionContext: unknown): Buffer | undefined {
  const context = canonicalContext(encryptionContext);
  const isMissing = (name: string) => context === undefined || !Object.hasOwn(encryptionContext as object, name);
  const missing = tenant.requiredContext.filter(isMissing);
  if (missing.length === 0) return context;
  throw new ServiceError('malformed-request', "The encryption context lacks what the tenant's record requires", {
    errors: missing.map((name) => ({ pointer: '/encryptionContext', detail: `${name} is required` })),
  });
}

import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import type { DirectoryFacts, DirectoryReader } from '../tenants/directory-facts.ts';
import { type GrantDeps, openGrant, underGrant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';

export interface GetDirectoryDeps extends AuditDeps, GrantDeps {
  readonly directory: DirectoryReader;
}

/**
 * Returns facts of the customer's directory, as far as the record asks for them and the customer
 * consented. A suspended tenant is refused, although none of its data is used: reading signs in to
 * the customer.
 * @throws ServiceError
 */
export async function getDirectory(
  deps: GetDirectoryDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<DirectoryFacts> {
  const grant = await openGrant(deps, request, 'Tenants.Read', tenantId);
  const facts = await underGrant(grant, (tenant) => deps.directory.readDirectory(tenant, request.requestId));
  await recordSuccess(deps, request, { operation: 'directory', tenantId });
  return facts;
}

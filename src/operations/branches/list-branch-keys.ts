import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { isBranchId } from '../../format/compact.ts';
import type { KeyringStore, StoredKey } from '../../keyring/keyring-store.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';

export interface ListBranchKeysDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly keyring: { readonly keys: Pick<KeyringStore, 'page'> };
}

export interface ListBranchKeysInput {
  readonly tenantId: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface BranchKeyPage {
  readonly keys: readonly StoredKey[];
  readonly nextCursor?: string;
}

/**
 * Returns a page of one tenant's branch and index keys, wrapped: with the customer's vault they
 * open every compact message. A removed tenant has them too.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `malformed-request`,
 * `registry-unavailable`
 */
export async function listBranchKeys(
  deps: ListBranchKeysDeps,
  request: AuthenticatedRequest,
  { tenantId, limit, cursor }: ListBranchKeysInput,
): Promise<BranchKeyPage> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  const after = cursor === undefined ? undefined : { tenantId, id: idOf(cursor) };
  const { keys } = await deps.keyring.keys.page(limit + 1, after, tenantId);
  if (keys.length === 0 && !after) await deps.tenants.get(tenantId); // an id that was never used has no keys
  await recordSuccess(deps, request, { operation: 'branch-keys-read', tenantId });
  const page = keys.slice(0, limit);
  const last = page.at(-1);
  return keys.length > limit && last ? { keys: page, nextCursor: cursorOf(last.id) } : { keys: page };
}

/** Returns a cursor. It is opaque to clients, so that its content may change. */
const cursorOf = (id: string): string => Buffer.from(`1:${id}`).toString('base64url');

function idOf(cursor: string): string {
  const [version, id = ''] = Buffer.from(cursor, 'base64url').toString('latin1').split(':');
  if (version === '1' && isBranchId(id) && cursorOf(id) === cursor) return id;
  const detail = 'is no cursor that a list gave';
  throw new ServiceError('malformed-request', `cursor ${detail}`, { errors: [{ pointer: '/query/cursor', detail }] });
}

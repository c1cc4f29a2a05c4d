import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { BranchCopies } from '../../keyring/branches/branch-deps.ts';
import type { KeyringStore, NewStoredKey, StoredKey } from '../../keyring/keyring-store.ts';
import { assertGranted } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import { branchEventOf } from './branch-event.ts';
import { allKeys } from './verify-branch-keys.ts';

export interface DestroyDeps extends AuditDeps {
  readonly keyring: { readonly keys: Pick<KeyringStore, 'page' | 'destroy' | 'now'> };
  readonly copies: Pick<BranchCopies, 'writeDestroyed'>;
  readonly epochMs: number;
}

export interface DestroyInput {
  readonly tenantId: string;
  /** Milliseconds since 1970: branch keys that encrypted nothing from this time on. */
  readonly beforeMs: number;
}

/** A branch key encrypts in its own epoch, and in the next one if that has no key yet. */
const EPOCHS_OF_USE = 2;

/** The result of a destruction. */
export interface Destroyed {
  /** Keys that this call destroyed, with their last JWE. */
  readonly destroyed: readonly NewStoredKey[];
  /** Tombstones of the same time that existed before. */
  readonly before: readonly StoredKey[];
  /** Branch keys that began before that time and stay, since they may have encrypted after it. */
  readonly staying: number;
}

/**
 * Destroys the branch keys of a tenant's past: their rows become tombstones, and every process
 * drops them within a second. A key may encrypt in its own epoch and the next one, so it stays until
 * both have ended. Index keys have no epoch and stay too. The tenant may be suspended or removed.
 * @throws ServiceError
 */
export async function destroyBranchKeys(
  deps: DestroyDeps,
  request: AuthenticatedRequest,
  { tenantId, beforeMs }: DestroyInput,
): Promise<Destroyed> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  const { keys } = deps.keyring;
  const endMs = Math.min(beforeMs, await keys.now());
  const destroyed: NewStoredKey[] = [];
  const before: StoredKey[] = [];
  let staying = 0;
  for await (const key of allKeys(keys, tenantId)) {
    const startMs = Date.parse(key.label);
    if (key.kind !== 'branch' || !(startMs < beforeMs)) continue;
    const { jwe } = key;
    if (jwe === undefined) before.push(key);
    else if (startMs + EPOCHS_OF_USE * deps.epochMs > endMs) staying += 1;
    else if ((await keys.destroy(tenantId, [key.id])).length > 0) {
      const row = { ...key, jwe };
      await deps.audit.record(branchEventOf('branch-destroyed', row, request));
      destroyed.push(row);
    }
  }
  await deps.copies.writeDestroyed([...destroyed, ...before].map(({ jwe: _jwe, ...key }) => key));
  await recordSuccess(deps, request, { operation: 'branch-keys-destroy', tenantId });
  return { destroyed, before, staying };
}

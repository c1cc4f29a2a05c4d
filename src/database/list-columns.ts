import type { Selectable } from 'kysely';
import { foldText } from '../lib/text.ts';
import type { Schema } from './schema.ts';

type Listed<T extends keyof Schema, C extends keyof Schema[T]> = Selectable<Pick<Schema[T], C>>;

/** Returns the columns of a tenant by which lists are searched and sorted. */
export function listColumns(
  { displayName, entraTenantId }: { readonly displayName?: unknown; readonly entraTenantId?: unknown },
  id: string,
): Listed<'tenants', 'name_key' | 'directory_id'> {
  return {
    name_key: foldText(typeof displayName === 'string' ? displayName : id),
    directory_id: typeof entraTenantId === 'string' ? entraTenantId : '',
  };
}

/** Returns the columns of a check by which tenants are counted and sorted. */
export function checkColumns({
  state,
  step,
  checkedAt,
}: {
  readonly state?: unknown;
  readonly step?: unknown;
  readonly checkedAt?: unknown;
}): Listed<'tenant_checks', 'outcome' | 'step' | 'checked_at'> {
  return {
    outcome: typeof state === 'string' ? state : null,
    step: typeof step === 'string' ? step : null,
    checked_at: typeof checkedAt === 'string' ? Date.parse(checkedAt) || 0 : 0,
  };
}

import { type FieldError, ServiceError } from '../../errors.ts';
import type { TenantInput } from '../../tenants/record-schema.ts';

/** A vault key as the table of keys has it, and its place in the record. */
export interface PlacedKey {
  readonly vaultKey: string;
  readonly pointer: string;
}

/**
 * Every key of a record, retired ones included; Key Vault's names ignore case.
 *
 * @throws ServiceError `tenant-misconfigured` for a key that stands there twice: two uses of one would let unwrap hand out data keys
 */
export function placedKeys({ keys, retiredKeys }: Pick<TenantInput, 'keys' | 'retiredKeys'>): readonly PlacedKey[] {
  const placed = [
    ...Object.entries(keys).map(([alias, key]) => ({ pointer: `/keys/${alias}`, ...key })),
    ...retiredKeys.map((key, at) => ({ pointer: `/retiredKeys/${at}`, ...key })),
  ].map(({ pointer, vaultUrl, name }) => ({ pointer, vaultKey: `${vaultUrl}/keys/${name}`.toLowerCase() }));
  const first = new Map<string, string>();
  const repeated: FieldError[] = [];
  for (const { vaultKey, pointer } of placed) {
    const before = first.getOrInsert(vaultKey, pointer);
    if (before !== pointer) repeated.push({ pointer, detail: `is the same key as ${before}` });
  }
  if (repeated.length > 0) throw keyTaken(repeated);
  return placed;
}

/** Never says by whom: a tenant's manager need not know of the others. */
export function keyTaken(errors: readonly FieldError[]): ServiceError {
  return new ServiceError(
    'tenant-misconfigured',
    'A vault key belongs to one tenant and one alias, retired ones included',
    {
      reason: 'key-taken',
      fix: { owner: 'vendor', action: 'Register each vault key once' },
      errors,
    },
  );
}

import type { Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

const PAGE = 500;

/**
 * Remembers permanently which tenant had a vault key for which use. The migration fills the table
 * from all past and present records. Older versions let one key have two uses or two tenants: such
 * a record stays usable, and no further one is accepted.
 */
export async function rememberKeyUses(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('key_uses')
    .addColumn('vault_key', idType, (column) => column.notNull())
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('use', idType, (column) => column.notNull())
    .addColumn('registered_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('key_uses_key', ['vault_key', 'tenant_id', 'use'])
    .execute();
  let last = { tenant_id: '', revision: 0 };
  for (;;) {
    const rows = await recordsAfter(trx, last);
    const uses = rows.flatMap(usesOf);
    for (let at = 0; at < uses.length; at += PAGE) {
      await trx
        .insertInto('key_uses')
        .values(uses.slice(at, at + PAGE))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    const end = rows.at(-1);
    if (!end || rows.length < PAGE) break;
    last = end;
  }
  // The old table had the keys of present records only.
  await trx.schema.dropTable('tenant_keys').execute();
}

type Past = Pick<Schema['tenant_history'], 'tenant_id' | 'revision' | 'record' | 'changed_at'>;

const recordsAfter = (
  trx: Transaction<Schema>,
  { tenant_id, revision }: Pick<Past, 'tenant_id' | 'revision'>,
): Promise<Past[]> =>
  trx
    .selectFrom('tenant_history')
    .select(['tenant_id', 'revision', 'record', 'changed_at'])
    .where(({ eb, or, and }) =>
      or([eb('tenant_id', '>', tenant_id), and([eb('tenant_id', '=', tenant_id), eb('revision', '>', revision)])]),
    )
    .orderBy('tenant_id')
    .orderBy('revision')
    .limit(PAGE)
    .execute();

interface OldKey {
  readonly vaultUrl: string;
  readonly name: string;
  readonly use?: string;
}

/** Returns the keys of a record in the form of versions up to this one. */
function usesOf({ tenant_id, record, changed_at }: Past): Schema['key_uses'][] {
  const { keys, retiredKeys } = JSON.parse(record) as {
    readonly keys: Readonly<Record<string, OldKey>>;
    readonly retiredKeys: readonly OldKey[];
  };
  return [...Object.values(keys), ...retiredKeys].map(({ vaultUrl, name, use = 'data' }) => ({
    vault_key: `${vaultUrl}/keys/${name}`.toLowerCase(),
    tenant_id,
    use,
    registered_at: changed_at,
  }));
}

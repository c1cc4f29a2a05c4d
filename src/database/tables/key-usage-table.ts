import { type OnConflictBuilder, sql } from 'kysely';
import type { KeyUsageStore, KeyUse } from '../../tenants/key-usage.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

/** Rows in one statement: far below PostgreSQL's limit of 65,535 parameters. */
const ROWS_AT_ONCE = 1_000;
const MAX_SHOWN = 500;

/**
 * Returns the store of key uses. The database adds up the counts, so that any number of processes
 * may count.
 */
export const keyUsageTable = ({ read, write }: SqlDatabase): KeyUsageStore => ({
  async add(uses) {
    for (let at = 0; at < uses.length; at += ROWS_AT_ONCE) {
      // All processes use one order: two that wait for each other's rows would deadlock.
      const rows = uses.slice(at, at + ROWS_AT_ONCE).sort((a, b) => (a.keyId < b.keyId ? -1 : 1));
      await write((trx) => trx.insertInto('key_usage').values(rows.map(rowOf)).onConflict(addUp).execute());
    }
  },

  async of(tenantId) {
    const rows = await read((db) =>
      db
        .selectFrom('key_usage')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .orderBy('last_used_at', 'desc')
        .limit(MAX_SHOWN)
        .execute(),
    );
    return rows.map((row) => ({
      keyId: row.key_id,
      sealed: row.sealed,
      opened: row.opened,
      lastUsedAt: new Date(row.last_used_at).toISOString(),
    }));
  },
});

const rowOf = ({ tenantId, keyId, sealed, opened, lastUsedAt }: KeyUse) => ({
  tenant_id: tenantId,
  key_id: keyId,
  sealed,
  opened,
  last_used_at: lastUsedAt,
});

const addUp = (conflict: OnConflictBuilder<Schema, 'key_usage'>) =>
  conflict.columns(['tenant_id', 'key_id']).doUpdateSet({
    sealed: sql`key_usage.sealed + excluded.sealed`,
    opened: sql`key_usage.opened + excluded.opened`,
    last_used_at: sql`excluded.last_used_at`,
  });

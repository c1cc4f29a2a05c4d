import type { Selectable, Transaction } from 'kysely';
import { defined } from '../../lib/defined.ts';
import type { LinkGrant, LinkStore, OnboardingLink } from '../../tenants/onboarding-links.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

/** Links of one tenant that can be used at one time; concurrent issues may exceed it by a few. */
const MAX_USABLE = 50;
/** Links of one tenant that are kept, the unusable ones included. */
const MAX_KEPT = 100;
/** A later use within this time is not stored. */
const USE_STEP_MS = 60_000;

/** Returns the store of onboarding links. Times are the caller's. */
export const linkTable = (database: SqlDatabase): LinkStore => ({
  add: (link) =>
    database.write(async (trx) => {
      const { count } = await trx
        .selectFrom('onboarding_links')
        .select((eb) => eb.cast<number>(eb.fn.countAll(), 'integer').as('count'))
        .where('tenant_id', '=', link.tenantId)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', link.createdAt)
        .executeTakeFirstOrThrow();
      if (count >= MAX_USABLE) return false;
      await trx.insertInto('onboarding_links').values(rowOf(link)).execute();
      await deleteOldest(trx, link);
      return true;
    }),

  find: (id) =>
    database.read(async (db) => {
      const row = await db.selectFrom('onboarding_links').selectAll().where('id', '=', id).executeTakeFirst();
      return row && linkOf(row);
    }),

  list: (tenantId) =>
    database.read(async (db) => {
      const rows = await db
        .selectFrom('onboarding_links')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .execute();
      return rows.map(linkOf);
    }),

  revoke: (tenantId, id, at) =>
    database.write(async (trx) => {
      const row = await trx
        .updateTable('onboarding_links')
        .set((eb) => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.val(at)) }))
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .returning('id')
        .executeTakeFirst();
      return row !== undefined;
    }),

  async use(id, at) {
    await database.write((trx) =>
      trx
        .updateTable('onboarding_links')
        .set({ used_at: at })
        .where('id', '=', id)
        .where((eb) => eb.or([eb('used_at', 'is', null), eb('used_at', '<', at - USE_STEP_MS)]))
        .execute(),
    );
  },
});

/** Deletes the oldest unusable links beyond those that are kept. */
async function deleteOldest(trx: Transaction<Schema>, { tenantId, createdAt }: OnboardingLink): Promise<void> {
  const old = trx
    .selectFrom('onboarding_links')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where((eb) => eb.or([eb('revoked_at', 'is not', null), eb('expires_at', '<=', createdAt)]))
    .orderBy('created_at', 'desc')
    .limit(MAX_KEPT)
    .offset(MAX_KEPT - MAX_USABLE);
  await trx
    .deleteFrom('onboarding_links')
    .where('id', 'in', (eb) => eb.selectFrom(old.as('old')).select('old.id'))
    .execute();
}

const rowOf = (link: OnboardingLink): Selectable<Schema['onboarding_links']> => ({
  id: link.id,
  tenant_id: link.tenantId,
  allow: link.allow.join(','),
  created_at: link.createdAt,
  created_by: link.createdBy,
  expires_at: link.expiresAt,
  revoked_at: link.revokedAt ?? null,
  used_at: link.usedAt ?? null,
});

const linkOf = (row: Selectable<Schema['onboarding_links']>): OnboardingLink =>
  defined({
    id: row.id,
    tenantId: row.tenant_id,
    allow: (row.allow === '' ? [] : row.allow.split(',')) as LinkGrant[], // written by this file alone; the MAC covers it
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    usedAt: row.used_at ?? undefined,
  });

import type { Selectable, Transaction } from 'kysely';
import type { LeaseKeyUse, LeaseName, LeaseUsage, ReportedLease, ReportFault } from '../../tenants/lease-store.ts';
import type { Schema } from '../schema.ts';

/** Leaves that the reports of one lease may name: as many as a caller may hold at a time. */
const MAX_LEAVES = 10_000;

type Row = Selectable<Schema['leases']>;
/** Messages opened, by key version and then by `kid`, as the row has them. */
type Opened = Map<string, Map<string, number>>;
type Reported = LeaseName & { readonly holder: string };

/**
 * Merges a report with its lease. Each number is a total, and the larger one stays: reports may
 * arrive twice and out of order.
 */
export async function reportLease(
  trx: Transaction<Schema>,
  name: Reported,
  usage: LeaseUsage,
  nowMs: number,
): Promise<ReportedLease | ReportFault> {
  const row = await lockedRow(trx, name);
  if (!row) return { fault: 'unknown-lease' };
  if (usage.sealed > row.max_messages) return { fault: 'too-many-messages' };
  const before = openedOf(row);
  const keyIds = await keyIdsOf(trx, name, row, before, [...usage.opened.keys()]);
  const unknown = [...usage.opened.keys()].filter((kid) => !keyIds.has(kid));
  if (unknown.length > 0) return { fault: 'unknown-leaves', kids: unknown };
  const opened = merged(before, usage.opened, keyIds);
  if (countOf(opened) > MAX_LEAVES) return { fault: 'too-many-leaves' };
  const after = {
    sealed: Math.max(row.sealed, usage.sealed),
    bytes: Math.max(row.bytes, usage.bytes),
    isFinal: row.finished_at !== null || usage.isFinal,
    hasEnded: row.finished_at === null && usage.isFinal,
  };
  const added = addedTo(row, before, after.sealed, opened);
  if (row.finished_at !== null && (added.length > 0 || after.bytes > row.bytes)) return { fault: 'finished' };
  await trx
    .updateTable('leases')
    .set({
      sealed: after.sealed,
      bytes: after.bytes,
      opened: textOf(opened),
      ...(usage.isFinal && { finished_at: row.finished_at ?? nowMs, due_at: null }),
    })
    .where('tenant_id', '=', name.tenantId)
    .where('id', '=', name.id)
    .execute();
  await settleOpenings(trx, name, [...usage.opened.keys()]);
  const openedByKey = [...opened].map(([keyId, kids]) => ({ keyId, opened: sumOf(kids) }));
  const total = openedByKey.reduce((sum, { opened: count }) => sum + count, 0);
  return { kid: row.kid, keyId: row.key_id, ...after, opened: total, added, openedByKey };
}

/** Returns the lease's row, locked by an update that changes nothing until the transaction ends. */
const lockedRow = (trx: Transaction<Schema>, { tenantId, id, holder }: Reported): Promise<Row | undefined> =>
  trx
    .updateTable('leases')
    .set((eb) => ({ bytes: eb.ref('bytes') }))
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('holder', '=', holder)
    .returningAll()
    .executeTakeFirst();

/** Returns the key version of each leaf that this holder may report on. */
async function keyIdsOf(
  trx: Transaction<Schema>,
  { tenantId, holder }: Reported,
  row: Row,
  before: Opened,
  kids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const known = new Map([[row.kid, row.key_id]]);
  for (const [keyId, counts] of before) for (const kid of counts.keys()) known.set(kid, keyId);
  const others = kids.filter((kid) => !known.has(kid));
  if (others.length === 0) return known;
  const rows = await trx
    .selectFrom('lease_openings')
    .select(['kid', 'key_id'])
    .where('tenant_id', '=', tenantId)
    .where('holder', '=', holder)
    .where('kid', 'in', others)
    .execute();
  for (const { kid, key_id } of rows) known.set(kid, key_id);
  return known;
}

function merged(before: Opened, reported: LeaseUsage['opened'], keyIds: ReadonlyMap<string, string>): Opened {
  const after: Opened = new Map([...before].map(([keyId, kids]) => [keyId, new Map(kids)]));
  for (const [kid, count] of reported) {
    const kids = after.getOrInsertComputed(keyIds.get(kid) ?? '', () => new Map<string, number>());
    kids.set(kid, Math.max(kids.get(kid) ?? 0, count));
  }
  return after;
}

/** Returns the new messages by key version, without versions that have none. */
function addedTo(row: Row, before: Opened, sealed: number, opened: Opened): readonly LeaseKeyUse[] {
  const keyIds = new Set([row.key_id, ...opened.keys()]);
  return [...keyIds]
    .map((keyId) => ({
      keyId,
      sealed: keyId === row.key_id ? sealed - row.sealed : 0,
      opened: sumOf(opened.get(keyId)) - sumOf(before.get(keyId)),
    }))
    .filter((use) => use.sealed > 0 || use.opened > 0);
}

async function settleOpenings(
  trx: Transaction<Schema>,
  { tenantId, holder }: Reported,
  kids: readonly string[],
): Promise<void> {
  if (kids.length === 0) return;
  await trx
    .updateTable('lease_openings')
    .set({ due_at: null })
    .where('tenant_id', '=', tenantId)
    .where('holder', '=', holder)
    .where('kid', 'in', [...kids].sort())
    .execute();
}

/** This program's own text: JSON of the counts by key version and `kid`. */
function openedOf({ opened }: Row): Opened {
  const parsed = JSON.parse(opened) as Readonly<Record<string, Readonly<Record<string, number>>>>;
  return new Map(Object.entries(parsed).map(([keyId, kids]) => [keyId, new Map(Object.entries(kids))]));
}

const textOf = (opened: Opened): string =>
  JSON.stringify(Object.fromEntries([...opened].map(([keyId, kids]) => [keyId, Object.fromEntries(kids)])));

const sumOf = (kids: ReadonlyMap<string, number> | undefined): number =>
  kids?.values().reduce((sum, count) => sum + count, 0) ?? 0;

const countOf = (opened: Opened): number => opened.values().reduce((sum, { size }) => sum + size, 0);

import { type Selectable, sql } from 'kysely';
import type { Anchor, CheckpointTable, DueTrees } from '../../audit/receipts/checkpoint-table.ts';
import { edgeBytes, HASH_BYTES, type Tree } from '../../audit/receipts/tree.ts';
import type { RowColumns, SqlDialect } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

const GROWN = {
  tenant_id: 'text',
  edge_size: 'bigint',
  place: 'bigint',
  length: 'bigint',
} as const satisfies RowColumns;
const SUBTREES = { tenant_id: 'text', level: 'bigint', place: 'bigint', root: 'text' } as const satisfies RowColumns;
const SIGNED = { tenant_id: 'text', size: 'bigint', checkpoint: 'text' } as const satisfies RowColumns;

type AnchorRow = Pick<Selectable<Schema['log_anchor']>, 'generation' | 'token' | 'pending'>;

/** Logs and entries of one transaction: few enough that hashing them delays no request by much. */
const GROWN_LOGS = 1_000;
const GROWN_ENTRIES = 4_000;

/** Any number other than those of the other locks. */
const GROW_LOCK = 7_355_614;

const ANCHOR = ['generation', 'token', 'pending'] as const;

export const checkpointTable = ({ read, write, dialect }: SqlDatabase): CheckpointTable => ({
  nextDue: async () => {
    const row = await read((db) =>
      db
        .selectFrom('log_heads')
        .select('due_at')
        .where('due_at', 'is not', null)
        .orderBy('due_at')
        .limit(1)
        .executeTakeFirst(),
    );
    return row?.due_at ?? undefined;
  },

  anchor: async () =>
    anchorOf(await read((db) => db.selectFrom('log_anchor').select(ANCHOR).executeTakeFirstOrThrow())),

  lease: async (owner, leaseMs) => {
    const row = await write((trx) =>
      trx
        .updateTable('log_anchor')
        .set({ lease_owner: owner, lease_until: sql<number>`${dialect.nowMs} + ${leaseMs}` })
        .where((where) =>
          where.or([where('lease_owner', '=', owner), where('lease_until', '<', sql<number>`${dialect.nowMs}`)]),
        )
        .returning(ANCHOR)
        .executeTakeFirst(),
    );
    return row && anchorOf(row);
  },

  grow: (due, grow) =>
    write(async (trx) => {
      // A process whose lease has ended may be at it still.
      if (!(await dialect.tryLock(trx, GROW_LOCK))) return false;
      const { rows } = await dueLeaves(dialect, due).execute(trx);
      const grown = treesIn(rows[0]).map(({ tenantId, tree, leaves }) => ({ tenantId, ...grow(tree, leaves) }));
      if (grown.length === 0) return false;
      const edges = Buffer.concat(grown.map(({ edge }) => edge));
      let end = 1;
      const trees = grown.map(({ tenantId, size, edge: { length } }) => {
        end += length;
        return { tenant_id: tenantId, edge_size: size, place: end - length, length };
      });
      await sql`update log_heads set edge_size = rows.edge_size,
          edge = substr(cast(${edges} as ${sql.raw(dialect.bytesType)}), cast(rows.place as integer), cast(rows.length as integer))
        from ${dialect.rows(GROWN, trees)} where rows.tenant_id = log_heads.tenant_id`.execute(trx);
      const subtrees = grown.flatMap(({ tenantId, subtrees: full }) =>
        full.map(({ level, place, root }) => ({ tenant_id: tenantId, level, place, root: root.toString('base64') })),
      );
      if (subtrees.length > 0)
        await sql`insert into log_subtrees (tenant_id, level, place, root)
          select tenant_id, level, place, root from ${dialect.rows(SUBTREES, subtrees)}`.execute(trx);
      return true;
    }),

  claim: (owner, pending, { before, limit }) =>
    write(async (trx) => {
      // Heads are read after the mark is written: a copy of the database that has the mark has them.
      const { numUpdatedRows } = await trx
        .updateTable('log_anchor')
        .set({ pending })
        .where('lease_owner', '=', owner)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows !== 1n) return undefined;
      const rows = await trx
        .selectFrom('log_heads')
        .select(['tenant_id', 'edge', 'edge_size'])
        .where('due_at', '<=', before)
        .where('edge_size', '>', 0) // a log that became due since the trees grew has its turn later
        .orderBy('due_at')
        .orderBy('tenant_id')
        .limit(limit)
        .execute();
      return rows.map(({ tenant_id, edge, edge_size }) => {
        return { tenantId: tenant_id, size: edge_size, edge: bufferOf(edge) };
      });
    }),

  confirm: (owner, pending) =>
    write(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('log_anchor')
        .set({ token: pending, pending: null })
        .where('pending', '=', pending)
        .where('lease_owner', '=', owner)
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    }),

  publish: (owner, token, heads, { dueAt, leaseMs }) =>
    write(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('log_anchor')
        .set({ lease_until: sql<number>`${dialect.nowMs} + ${leaseMs}` })
        .where('token', '=', token)
        .where('lease_owner', '=', owner)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows !== 1n) return false;
      const rows = heads.map(({ tenantId, ...head }) => ({ ...head, tenant_id: tenantId }));
      await sql`update log_heads set checkpoint = rows.checkpoint, signed_size = rows.size,
          due_at = case when log_heads.size > rows.size then cast(${dueAt} as bigint) end
        from ${dialect.rows(SIGNED, rows)} where rows.tenant_id = log_heads.tenant_id`.execute(trx);
      return true;
    }),

  restart: ({ token, generation }, now) =>
    write(async (trx) => {
      await trx.updateTable('log_anchor').set({ token, generation, pending: null }).execute();
      await trx.updateTable('log_heads').set({ due_at: now }).execute();
    }),
});

/** All trees that lack entries, in one row: a row for each would cost more than its hashes. */
interface DueLeaves {
  /** JSON: the tenants, the number of the first leaf that each tree lacks, and that after the last one it gets. */
  readonly ids: string | null;
  readonly firsts: string;
  readonly ends: string;
  /** The edges of the trees, and the hashes of their new leaves. SQLite has them as texts. */
  readonly edges: Uint8Array | string;
  readonly leaves: Uint8Array | string | null;
}

/** Returns the trees that lack entries, with leaves, as many as one transaction takes. */
function dueLeaves({ name }: SqlDialect, { before, limit }: DueTrees) {
  const list = (column: 'tenant_id' | 'first' | 'end') =>
    sql`cast(${sql.raw(name === 'SQLite' ? 'json_group_array' : 'json_agg')}(${sql.id(column)} order by tenant_id) as text)`;
  const [edges, ofTree, leaves] =
    name === 'SQLite'
      ? [
          sql`group_concat(hex(edge), '' order by tenant_id)`,
          sql`group_concat(e.leaf, ' ' order by e.sequence)`,
          sql`group_concat(leaves, ' ' order by tenant_id)`,
        ]
      : [
          sql`string_agg(edge, ''::bytea order by tenant_id)`,
          sql`string_agg(decode(e.leaf, 'base64'), ''::bytea order by e.sequence)`,
          sql`string_agg(leaves, ''::bytea order by tenant_id)`,
        ];
  return sql<DueLeaves>`
    with due as (
      select tenant_id, edge, edge_size, size, due_at from log_heads
      where due_at <= ${before} order by due_at, tenant_id limit ${limit}),
    short as (
      select tenant_id, edge, edge_size, size,
        sum(size - edge_size) over (order by due_at, tenant_id) - (size - edge_size) as earlier
      from due where edge_size < size order by due_at, tenant_id limit ${GROWN_LOGS}),
    taken as (
      select tenant_id, edge, edge_size as first,
        cast(case when earlier + size - edge_size < ${GROWN_ENTRIES} then size
          else edge_size + ${GROWN_ENTRIES} - earlier end as bigint) as "end"
      from short where earlier < ${GROWN_ENTRIES}),
    filled as (
      select tenant_id, edge, first, "end",
        (select ${ofTree} from log_entries as e
          where e.tenant_id = taken.tenant_id and e.sequence >= taken.first and e.sequence < taken."end") as leaves
      from taken)
    select ${list('tenant_id')} as ids, ${list('first')} as firsts, ${list('end')} as ends,
      ${edges} as edges, ${leaves} as leaves from filled`;
}

interface DueTree {
  readonly tenantId: string;
  readonly tree: Tree;
  readonly leaves: Buffer;
}

function treesIn(row: DueLeaves | undefined): readonly DueTree[] {
  const ids = JSON.parse(row?.ids ?? '[]') as readonly string[];
  if (!row || ids.length === 0) return [];
  const firsts = JSON.parse(row.firsts) as readonly number[];
  const ends = JSON.parse(row.ends) as readonly number[];
  const edges = typeof row.edges === 'string' ? Buffer.from(row.edges, 'hex') : bufferOf(row.edges);
  const leaves = leavesOf(row.leaves);
  let [edgeEnd, leafEnd] = [0, 0];
  const trees = ids.map((tenantId, at) => {
    const [size = 0, end = 0] = [firsts[at], ends[at]];
    const [edgeStart, leafStart] = [edgeEnd, leafEnd];
    edgeEnd += edgeBytes(size);
    leafEnd += HASH_BYTES * (end - size);
    const edge = edges.subarray(edgeStart, edgeEnd);
    return { tenantId, tree: { size, edge }, leaves: leaves.subarray(leafStart, leafEnd) };
  });
  if (leafEnd !== leaves.length) throw new Error('entries of a transparency log are missing');
  return trees;
}

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

function leavesOf(leaves: DueLeaves['leaves']): Buffer {
  if (leaves === null) return Buffer.alloc(0);
  if (typeof leaves !== 'string') return bufferOf(leaves);
  return Buffer.concat(leaves.split(' ').map((leaf) => Buffer.from(leaf, 'base64')));
}

const anchorOf = ({ generation, token, pending }: AnchorRow): Anchor => ({
  generation,
  token: token ?? undefined,
  pending: pending ?? undefined,
});

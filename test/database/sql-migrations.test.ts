import { execFile } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { EMPTY_TREE, grow, hashesIn, leafHash, rootOf } from '../../src/audit/receipts/tree.ts';
import { assertMigrated, MIGRATIONS, type Migration, migrate } from '../../src/database/migrations/migrations.ts';
import { DATABASES, input } from '../support/sql-databases.ts';

const MODULE = join(import.meta.dirname, '..', '..', 'src', 'database', 'migrations', 'migrations.ts');
const NEXT = MIGRATIONS.length + 1;
const next = (up: Migration['up']): readonly Migration[] => [...MIGRATIONS, { version: NEXT, name: 'next', up }];
const addTable: Migration['up'] = async (trx) => {
  await trx.schema.createTable('added').addColumn('id', 'integer').execute();
};

describe.each(DATABASES)('migrating %s', (_name, create) => {
  test('takes every step once, in order, and none the next time', async () => {
    await using database = await create([]);
    expect(await migrate(database.options)).toEqual(MIGRATIONS.map(({ name }) => name));
    expect(await migrate(database.options)).toEqual([]);
    expect(await migrate(database.options, next(addTable))).toEqual(['next']);
    const { read } = await database.open();
    const rows = await read((db) => db.selectFrom('schema_migrations').select('version').orderBy('version').execute());
    expect(rows.map(({ version }) => version)).toEqual(Array.from({ length: NEXT }, (_, at) => at + 1));
  });

  test('by several processes at once takes each step once', async () => {
    await using database = await create([]);
    const script = `const { migrate } = await import(process.argv[1]); console.log(JSON.stringify(await migrate(JSON.parse(process.argv[2]))));`;
    const run = promisify(execFile);
    const outcomes = await Promise.all(
      Array.from({ length: 3 }, () =>
        run(process.execPath, ['--input-type=module', '-e', script, MODULE, JSON.stringify(database.options)]),
      ),
    );
    const taken = outcomes.flatMap(({ stdout }) => JSON.parse(stdout) as string[]);
    // Each step once, whichever process takes it: the lock is held for one step.
    expect(taken.toSorted()).toEqual(MIGRATIONS.map(({ name }) => name).toSorted());
    const registry = await database.openRegistry();
    expect((await registry.put(input(), undefined, 'ann')).revision).toBe('1');
  });

  test('refuses a schema newer than the program, and names both versions', async () => {
    await using database = await create(next(addTable));
    const refusal = new RegExp(`has schema ${NEXT}.* up to ${MIGRATIONS.length} only`);
    await expect(migrate(database.options)).rejects.toThrow(refusal);
    await expect(database.openRegistry()).rejects.toThrow(refusal);
  });

  test('is required before a registry is opened', async () => {
    await using database = await create([]);
    await expect(database.openRegistry()).rejects.toThrow(
      new RegExp(`has schema 0.*needs ${MIGRATIONS.length}.*vaultspan migrate`),
    );
    await expect(assertMigrated(await database.open(), next(addTable))).rejects.toThrow(new RegExp(`needs ${NEXT}`));
  });

  test('packs the edges of trees: each tree has the root that it had, and grows on', async () => {
    const isBefore = ({ version }: Migration) => version < 19;
    await using database = await create(MIGRATIONS.filter(isBefore));
    const { read, write, dialect } = await database.open();
    const leaves = Array.from({ length: 1_100 }, (_, n) => leafHash(`line ${n}`));
    const treeOf = (size: number) => grow(EMPTY_TREE, Buffer.concat(leaves.slice(0, size)));
    const sizes = [0, 1, 7, 256, 1_000, 1_023];
    const heads = Array.from({ length: 1_010 }, (_, n) => ({ id: `tenant-${n}`, size: sizes[n % sizes.length] ?? 0 }));
    const old = heads.map(({ id, size }) => {
      const edge = hashesIn(treeOf(size).edge).map((hash) => hash.toString('base64'));
      return { id, size, edge: edge.join(' ') };
    });
    await write(async (trx) => {
      await sql`insert into log_heads (tenant_id, size, edge, edge_size, signed_size)
        select id, size, edge, size, size
        from ${dialect.rows({ id: 'text', size: 'bigint', edge: 'text' }, old)}`.execute(trx);
    });
    await migrate(database.options);
    const rows = await read((db) => db.selectFrom('log_heads').select(['tenant_id', 'edge', 'edge_size']).execute());
    expect(rows).toHaveLength(heads.length);
    const packed = new Map(rows.map(({ tenant_id, edge, edge_size: size }) => [tenant_id, { size, edge }]));
    for (const { id, size } of heads) {
      const { edge = '' } = packed.get(id) ?? {};
      const tree = { size, edge: Buffer.from(edge) };
      expect(rootOf(tree)).toEqual(rootOf(treeOf(size)));
      expect(rootOf(grow(tree, Buffer.concat(leaves.slice(size))))).toEqual(rootOf(treeOf(leaves.length)));
    }
  });

  test('chains know which of their records were removed before', async () => {
    await using database = await create(MIGRATIONS.filter(({ version }) => version < 20));
    const { read, write, dialect } = await database.open();
    const chains = [
      { chain: 'a', stored: 9, sequenced: 9 },
      { chain: 'b', stored: 9, sequenced: 9 },
      { chain: 'c', stored: 1, sequenced: -1 },
    ];
    const records = ['a 5', 'a 9', 'c 0', 'c 1'].map((text) => {
      const [chain = '', sequence] = text.split(' ');
      return { at: 1_000, chain, sequence: Number(sequence), line: '{}' };
    });
    await write(async (trx) => {
      if (dialect.name === 'PostgreSQL')
        await sql`create table day partition of audit_records for values from (0) to (86400000)`.execute(trx);
      await trx.insertInto('audit_chains').values(chains).execute();
      await trx.insertInto('audit_records').values(records).execute();
    });
    await migrate(database.options);
    const rows = await read((db) => db.selectFrom('audit_chains').selectAll().orderBy('chain').execute());
    expect(rows).toMatchObject([
      { chain: 'a', stored: 9, removed: 4, removed_at: null },
      { chain: 'b', stored: 9, removed: 9, removed_at: expect.any(Number) },
      { chain: 'c', stored: 1, sequenced: -1, removed: -1, removed_at: null },
    ]);
  });

  test('leaves no part of a failed step', async () => {
    await using database = await create();
    const failing = next(async (trx, dialect) => {
      await addTable(trx, dialect);
      await sql`insert into nowhere values (1)`.execute(trx);
    });
    await expect(migrate(database.options, failing)).rejects.toThrow(/nowhere/);
    expect(await migrate(database.options)).toEqual([]);
    expect(await migrate(database.options, next(addTable))).toEqual(['next']);
  });
});

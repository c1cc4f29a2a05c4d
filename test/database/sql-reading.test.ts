import { describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { DATABASES, input } from '../support/sql-databases.ts';

const ELSEWHERE = { vaultUrl: 'https://b-kv.vault.azure.cn', name: 'data', use: 'data' };

describe.each(DATABASES)('reading tenants in %s', (kind, create) => {
  test('a record that breaks the rules of this version is out of service alone, and can be replaced', async () => {
    await using database = await create();
    const broken: string[] = [];
    const registry = await database.openRegistry({ onInvalidRecord: (tenantId) => broken.push(tenantId) });
    for (const id of ['a', 'b', 'c', 'd']) await registry.put(input({ id }), undefined, 'ann');
    const { write } = await database.open();
    const spoil = (id: string, record: string) =>
      write((trx) => trx.updateTable('tenants').set({ record }).where('id', '=', id).execute());
    await spoil('b', JSON.stringify({ ...input({ id: 'b' }), keys: { data: ELSEWHERE } }));
    await spoil('c', 'no JSON');
    expect((await registry.get('a')).id).toBe('a');
    await expect(registry.get('b')).rejects.toMatchObject({
      code: 'tenant-misconfigured',
      reason: 'record-invalid',
      message: expect.stringContaining('revision 1'),
      errors: [{ pointer: '/keys/data/vaultUrl' }],
    });
    await expect(registry.get('c')).rejects.toMatchObject({ reason: 'record-invalid' });
    const first = await registry.list(2);
    expect(first.tenants.map(({ id }) => id)).toEqual(['a']);
    expect((await registry.list(2, first.nextCursor)).tenants.map(({ id }) => id)).toEqual(['d']);
    expect(new Set(broken)).toEqual(new Set(['b', 'c']));
    await registry.put(input({ id: 'b' }), '1', 'ann');
    expect((await registry.get('b')).revision).toBe('2');
    await registry.remove('c', '1', 'ann');
  });

  test('a cursor that is no id is refused', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    for (const cursor of ['\u0000', "' or 1=1", 'A', 'x'.repeat(65)]) {
      await expect(registry.list(10, cursor)).rejects.toMatchObject({
        code: 'malformed-request',
        errors: [{ pointer: '/query/cursor' }],
      });
    }
  });

  test('a page of 5,000 tenants and many tombstones reads an index from the cursor on', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    const { read, write } = await database.open();
    const COUNT = 6_000;
    await write(async (trx) => {
      for (let start = 0; start < COUNT; start += 500) {
        const rows = Array.from({ length: 500 }, (_, at) => {
          const number = start + at + 1;
          const id = `tenant-${String(number).padStart(6, '0')}`;
          const removed_at = number % 6 === 0 ? 1 : null;
          const record = JSON.stringify(input({ id }));
          const times = { created_at: 1, updated_at: 1, removed_at };
          return { id, record, revision: 1, state: 'active', change_sequence: number, ...times };
        });
        await trx.insertInto('tenants').values(rows).execute();
      }
      if (kind === 'PostgreSQL') await sql`analyze tenants`.execute(trx);
    });
    const seen = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await registry.list(200, cursor);
      for (const { id } of page.tenants) seen.add(id);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen.size).toBe(5_000);
    const explain = kind === 'PostgreSQL' ? sql`explain` : sql`explain query plan`;
    const plan = await read((db) =>
      sql`${explain} select id, record, revision, created_at, updated_at from tenants
        where removed_at is null and id > ${'tenant-005000'} order by id limit 201`.execute(db),
    );
    expect(JSON.stringify(plan.rows)).toMatch(/tenants_listed/);
    expect(JSON.stringify(plan.rows)).not.toMatch(/Sort|TEMP B-TREE|Seq Scan/);
  });
});

import { describe, expect, test } from '@jest/globals';
import { keyUsageTable } from '../../src/database/tables/key-usage-table.ts';
import { KeyUsage } from '../../src/tenants/key-usage.ts';
import { DATABASES } from '../support/sql-databases.ts';

const wallMs = () => 1_700_000_000_000;

describe.each(DATABASES)('uses of keys on %s', (_name, create) => {
  test('are added up over processes and reports', async () => {
    await using database = await create();
    const open = async () =>
      new KeyUsage({
        store: keyUsageTable(await database.open()),
        wallMs,
        onFailure: (error) => expect(error).toBeUndefined(),
      });
    const processes = await Promise.all([open(), open()]);
    for (const usage of processes) {
      for (let at = 0; at < 50; at += 1) usage.count('contoso', `key ${at % 5}`, at % 2 === 0 ? 'sealed' : 'opened');
      usage.count('fabrikam', 'key of fabrikam', 'sealed');
    }
    await Promise.all(processes.map((usage) => usage.close()));
    const shown = await keyUsageTable(await database.open()).of('contoso');
    expect(shown.map(({ keyId }) => keyId).toSorted()).toEqual(['key 0', 'key 1', 'key 2', 'key 3', 'key 4']);
    for (const { sealed, opened } of shown) expect(sealed + opened).toBe(20);
    expect(shown[0]?.lastUsedAt).toBe('2023-11-14T22:13:20.000Z');
  });

  test('wait during a database outage, and none is lost', async () => {
    await using database = await create();
    const table = keyUsageTable(await database.open());
    const trouble: unknown[] = [];
    let failures = 2;
    const add: typeof table.add = (uses) => (failures-- > 0 ? Promise.reject(new Error('away')) : table.add(uses));
    const usage = new KeyUsage({ store: { ...table, add }, wallMs, onFailure: (error) => trouble.push(error) });
    usage.count('contoso', 'key', 'sealed');
    expect(await usage.of('contoso')).toEqual([]);
    usage.count('contoso', 'key', 'opened');
    expect(await usage.of('contoso')).toEqual([]);
    expect(await usage.of('contoso')).toMatchObject([{ keyId: 'key', sealed: 1, opened: 1 }]);
    expect(trouble).toHaveLength(2);
    await usage.close();
  });
});

import { describe, expect, test } from '@jest/globals';
import { drillTable } from '../../src/database/tables/revocations.ts';
import type { Sighting } from '../../src/tenants/drills.ts';
import { DATABASES } from '../support/sql-databases.ts';

const newDrill = (tenantId: string, id = tenantId) => ({
  tenantId,
  id,
  boundMs: 1_000,
  signInBoundMs: 61_000,
  startedBy: 'tester',
  maxMs: 10_000,
});
const seen: Omit<Sighting, 'from' | 'to'> = {
  process: 'one',
  mode: 'warm',
  number: 0,
  outcome: 'allowed',
  auditRequestId: 'first',
};

describe.each(DATABASES)('drills in %s', (_name, create) => {
  test('start, are seen by several processes at once, and end with one report', async () => {
    await using database = await create();
    const drills = drillTable({ database: await database.open(), origin: 'one' });
    const drill = newDrill('contoso');
    expect(await drills.start(drill)).toBe(1);
    expect(await drills.start(newDrill('contoso', 'second'))).toBe('running');
    const processes = ['one', 'two', 'three'];
    await Promise.all(
      processes.flatMap((process) => [
        drills.see(drill, { ...seen, process }, 1),
        drills.see(drill, { ...seen, process, mode: 'cold', code: 'access-revoked', scope: 'key' }, 2),
      ]),
    );
    expect(await drills.see(drill, seen, 3)).toBe(true);
    const record = await drills.find('contoso', 'contoso');
    const { sightings, now = 0 } = record ?? {};
    expect(record?.drill).toMatchObject({
      state: 'running',
      boundMs: 1_000,
      signInBoundMs: 61_000,
      startedBy: 'tester',
    });
    expect([now > 0, now < (record?.drill.endsAt ?? 0)]).toEqual([true, true]);
    expect(sightings?.length).toBe(6);
    expect(sightings?.find(({ process, mode }) => process === 'one' && mode === 'warm')).toMatchObject({
      from: 1,
      to: 3,
    });
    expect(await drills.running(undefined)).toMatchObject([{ tenantId: 'contoso' }]);

    expect(await drills.end(drill, 'finished')).toBe(true);
    expect(await drills.end(drill, 'cancelled')).toBe(false);
    expect(await drills.see(drill, seen, 4)).toBe(false);
    expect(await drills.keepReport(drill, 'a')).toBe('a');
    expect(await drills.keepReport(drill, 'b')).toBe('a');
    expect(await drills.running('contoso')).toEqual([]);
  });

  test('are listed by tenant, the newest first, each with its own sightings', async () => {
    await using database = await create();
    const drills = drillTable({ database: await database.open(), origin: 'one' });
    expect(await drills.list('contoso')).toEqual([]);
    for (const id of ['first', 'second']) {
      await drills.start(newDrill('contoso', id));
      await drills.see({ tenantId: 'contoso', id }, { ...seen, auditRequestId: id }, 1);
      await drills.end({ tenantId: 'contoso', id }, 'finished');
    }
    await drills.start(newDrill('fabrikam'));
    const listed = await drills.list('contoso');
    expect(listed.map(({ drill }) => drill.id)).toEqual(['second', 'first']);
    expect(listed.map(({ sightings }) => sightings.map(({ auditRequestId }) => auditRequestId))).toEqual([
      ['second'],
      ['first'],
    ]);
  });

  test('of one tenant start once and of many tenants up to a limit, whichever process starts them', async () => {
    await using database = await create();
    const stores = await Promise.all(
      ['one', 'two'].map(async (origin) => drillTable({ database: await database.open(), origin })),
    );
    const started = await Promise.all(
      Array.from({ length: 21 }, async (_, index) => stores[index % 2]?.start(newDrill(`tenant-${index}`))),
    );
    expect(started.filter((outcome) => outcome === 'too-many').length).toBe(1);
    expect(new Set(started.filter((outcome) => typeof outcome === 'number')).size).toBe(20);
  });
});

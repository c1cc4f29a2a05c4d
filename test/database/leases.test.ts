import { describe, expect, test } from '@jest/globals';
import { leaseTable } from '../../src/database/tables/lease-table.ts';
import type { LeaseStore, LeaseUsage, NewLease } from '../../src/tenants/lease-store.ts';
import { DATABASES, type TestDatabase } from '../support/sql-databases.ts';

const KEY_ID = 'https://kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const OLDER = 'https://kv.vault.azure.net/keys/data/11111111111111111111111111111111';
const [KID, OTHER_KID, THIRD_KID] = ['AAAAAAAAAAAAAAAAAAAAAA', 'BAAAAAAAAAAAAAAAAAAAAA', 'CAAAAAAAAAAAAAAAAAAAAA'];
const GRACE = 300_000;
const DAY = 86_400_000;
const NO_LIMITS = { perCaller: 1_000, perTenant: 1_000 };

const lease = (change: Partial<NewLease> = {}): NewLease => ({
  tenantId: 'contoso',
  id: 'b5d3a1c0-6f0e-4e5e-9a53-1d8f7c2b4a90',
  principal: 'https://issuer#app',
  kid: KID,
  keyId: KEY_ID,
  maxMessages: 1_000,
  lastsMs: 300_000,
  ...change,
});
const named = ({ tenantId, id, principal }: NewLease) => ({ tenantId, id, principal });

const usage = ({
  opened = {},
  ...change
}: Partial<Omit<LeaseUsage, 'opened'>> & { readonly opened?: Readonly<Record<string, number>> }): LeaseUsage => ({
  sealed: 0,
  bytes: 0,
  isFinal: false,
  opened: new Map(Object.entries(opened)),
  ...change,
});

const openStore = async (database: TestDatabase): Promise<LeaseStore> => leaseTable(await database.open());

const openings = (kids: readonly string[], change: { principal?: string; lastsMs?: number; keyId?: string } = {}) => ({
  tenantId: 'contoso',
  principal: change.principal ?? lease().principal,
  leaves: kids.map((kid) => ({ kid, keyId: change.keyId ?? KEY_ID, lastsMs: change.lastsMs ?? 300_000 })),
});

describe.each(DATABASES)('accounts of leases in %s', (_name, create) => {
  test('add up totals: a repeated report and an older one change nothing', async () => {
    await using database = await create();
    const store = await openStore(database);
    expect(await store.add(lease(), NO_LIMITS)).toBeUndefined();
    await store.addOpenings(openings([OTHER_KID], { keyId: OLDER }), NO_LIMITS);
    const first = usage({ sealed: 10, opened: { [KID]: 2, [OTHER_KID]: 5 }, bytes: 640 });
    expect(await store.report(named(lease()), first)).toEqual({
      kid: KID,
      keyId: KEY_ID,
      sealed: 10,
      opened: 7,
      bytes: 640,
      isFinal: false,
      hasEnded: false,
      added: [
        { keyId: KEY_ID, sealed: 10, opened: 2 },
        { keyId: OLDER, sealed: 0, opened: 5 },
      ],
      openedByKey: [
        { keyId: KEY_ID, opened: 2 },
        { keyId: OLDER, opened: 5 },
      ],
    });
    expect(await store.report(named(lease()), first)).toMatchObject({ sealed: 10, opened: 7, added: [] });
    const older = usage({ sealed: 4, opened: { [OTHER_KID]: 1 }, bytes: 100 });
    expect(await store.report(named(lease()), older)).toMatchObject({ sealed: 10, opened: 7, bytes: 640, added: [] });
    const last = usage({ sealed: 11, opened: { [OTHER_KID]: 6 }, isFinal: true });
    expect(await store.report(named(lease()), last)).toMatchObject({
      sealed: 11,
      opened: 8,
      hasEnded: true,
      added: [
        { keyId: KEY_ID, sealed: 1, opened: 0 },
        { keyId: OLDER, sealed: 0, opened: 1 },
      ],
    });
    expect(await store.report(named(lease()), last)).toMatchObject({ isFinal: true, hasEnded: false, added: [] });
  });

  test('refuse more than the final report, and more than the lease allows', async () => {
    await using database = await create();
    const store = await openStore(database);
    await store.add(lease(), NO_LIMITS);
    expect(await store.report(named(lease()), usage({ sealed: 1_001 }))).toEqual({ fault: 'too-many-messages' });
    await store.report(named(lease()), usage({ sealed: 1_000, bytes: 5, isFinal: true }));
    for (const more of [usage({ opened: { [KID]: 1 } }), usage({ bytes: 6 })]) {
      expect(await store.report(named(lease()), more)).toEqual({ fault: 'finished' });
    }
    expect(await store.report(named(lease()), usage({ sealed: 3 }))).toMatchObject({ sealed: 1_000, added: [] });
  });

  test('are found by their own holder and tenant only', async () => {
    await using database = await create();
    const store = await openStore(database);
    await store.add(lease(), NO_LIMITS);
    for (const change of [
      { principal: 'https://issuer#other' },
      { tenantId: 'fabrikam' },
      { id: '00000000-0000-4000-8000-000000000000' },
    ]) {
      expect(await store.report(named(lease(change)), usage({ sealed: 1 }))).toEqual({ fault: 'unknown-lease' });
    }
    expect(await store.report(named(lease()), usage({ sealed: 1 }))).toMatchObject({ sealed: 1 });
  });

  test('accept only leaves that the same caller received', async () => {
    await using database = await create();
    const store = await openStore(database);
    await store.add(lease(), NO_LIMITS);
    await store.addOpenings(openings([OTHER_KID]), NO_LIMITS);
    await store.addOpenings(openings([THIRD_KID], { principal: 'https://issuer#other' }), NO_LIMITS);
    const foreign = usage({ opened: { [OTHER_KID]: 1, [THIRD_KID]: 1 } });
    expect(await store.report(named(lease()), foreign)).toEqual({ fault: 'unknown-leaves', kids: [THIRD_KID] });
    expect(await store.report(named(lease()), usage({ opened: { [OTHER_KID]: 1 } }))).toMatchObject({ opened: 1 });
  });

  test('are limited for each caller and tenant, finished leases included, until they end', async () => {
    await using database = await create();
    const store = await openStore(database);
    const limits = { perCaller: 2, perTenant: 3 };
    const id = (number: number) => `00000000-0000-4000-8000-00000000000${number}`;
    expect(await store.add(lease({ id: id(0), lastsMs: -1 }), limits)).toBeUndefined(); // has ended
    expect(await store.add(lease({ id: id(1) }), limits)).toBeUndefined();
    await store.report(named(lease({ id: id(1) })), usage({ isFinal: true }));
    expect(await store.add(lease({ id: id(2) }), limits)).toBeUndefined();
    expect(await store.add(lease({ id: id(3) }), limits)).toBe('caller');
    const other = { principal: 'https://issuer#other' };
    expect(await store.add(lease({ id: id(4), ...other }), limits)).toBeUndefined();
    expect(await store.add(lease({ id: id(5), ...other }), limits)).toBe('tenant');
    expect(await store.add(lease({ id: id(6), tenantId: 'fabrikam' }), limits)).toBeUndefined();
    expect(await store.addOpenings(openings([KID, OTHER_KID]), limits)).toBeUndefined();
    expect(await store.addOpenings(openings([THIRD_KID]), limits)).toBe('caller');
    expect(await store.addOpenings(openings([KID, OTHER_KID], other), limits)).toBe('tenant');
  });

  test('that are overdue are claimed by one process of many, and again if it dies', async () => {
    await using database = await create();
    const stores = [await openStore(database), await openStore(database), await openStore(database)] as const;
    const [store] = stores;
    for (let number = 0; number < 9; number += 1) {
      const id = `00000000-0000-4000-8000-00000000000${number}`;
      await store.add(lease({ id, lastsMs: -GRACE - 1_000 }), NO_LIMITS);
    }
    await store.add(lease({ lastsMs: -GRACE + 60_000 }), NO_LIMITS); // still within the grace
    const claims = await Promise.all(stores.map((one) => one.claimOverdue(100, 60_000)));
    const ids = claims.flat().map((overdue) => overdue.lease?.id);
    expect([ids.length, new Set(ids).size]).toEqual([9, 9]);
    expect(await store.claimOverdue(100, 60_000)).toEqual([]);
  });

  test('that are overdue are claimed again when a claim has ended without being settled', async () => {
    await using database = await create();
    const store = await openStore(database);
    const ids = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
    for (const id of ids) await store.add(lease({ id, lastsMs: -GRACE - 1_000 }), NO_LIMITS);
    const [first, second] = await store.claimOverdue(100, 20);
    if (first) await store.settle(first);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(await store.claimOverdue(100, 60_000)).toEqual([{ ...second, claimedUntil: expect.any(Number) }]);
  });

  test('that are overdue are not claimed after a final report, and say what was reported before', async () => {
    await using database = await create();
    const store = await openStore(database);
    const past = { lastsMs: -GRACE - 1_000 };
    const finished = lease({ id: '00000000-0000-4000-8000-000000000001', ...past });
    await store.add(finished, NO_LIMITS);
    await store.add(lease({ ...past, principal: '#a "name" \0 \ud800' }), NO_LIMITS);
    await store.report(named(finished), usage({ isFinal: true }));
    await store.report(named(lease({ principal: '#a "name" \0 \ud800' })), usage({ sealed: 30 }));
    expect(await store.claimOverdue(100, 60_000)).toEqual([
      {
        tenantId: 'contoso',
        principal: '#a "name" \0 \ud800',
        keyId: KEY_ID,
        lease: { id: lease().id, maxMessages: 1_000, sealed: 30 },
        kids: [KID],
        claimedUntil: expect.any(Number),
      },
    ]);
  });

  test('of opened leaves are overdue together, except those that a report named or that were opened again', async () => {
    await using database = await create();
    const store = await openStore(database);
    await store.add(lease(), NO_LIMITS);
    await store.addOpenings(openings([KID, OTHER_KID, THIRD_KID], { lastsMs: -GRACE - 1_000 }), NO_LIMITS);
    await store.report(named(lease()), usage({ opened: { [OTHER_KID]: 0 } }));
    const [overdue, ...others] = await store.claimOverdue(100, 60_000);
    expect([overdue?.kids, overdue?.lease, others]).toEqual([[KID, THIRD_KID], undefined, []]);
    await store.addOpenings(openings([KID], { lastsMs: -GRACE - 1_000 }), NO_LIMITS);
    if (overdue) await store.settle(overdue);
    expect((await store.claimOverdue(100, 60_000)).map(({ kids }) => kids)).toEqual([[KID]]);
  });

  test('are deleted a day after their end, once they were settled', async () => {
    await using database = await create();
    const store = await openStore(database);
    const old = { lastsMs: -DAY - 1_000 };
    const settled = lease({ id: '00000000-0000-4000-8000-000000000001', ...old });
    const recent = lease({ id: '00000000-0000-4000-8000-000000000002', lastsMs: -DAY + 60_000 });
    for (const one of [settled, recent, lease(old)]) await store.add(one, NO_LIMITS);
    for (const one of [settled, recent]) await store.report(named(one), usage({ isFinal: true }));
    await store.addOpenings(openings([KID], old), NO_LIMITS);
    await store.deleteOld();
    const found = async (one: NewLease) => !('fault' in (await store.report(named(one), usage({ isFinal: true }))));
    expect([await found(settled), await found(recent), await found(lease(old))]).toEqual([false, true, true]);
    const [opened] = (await store.claimOverdue(100, 60_000)).filter((overdue) => !overdue.lease);
    expect(opened?.kids).toEqual([KID]);
    if (opened) await store.settle(opened);
    await store.deleteOld();
    const late = usage({ opened: { [KID]: 1, [OTHER_KID]: 1 } });
    expect(await store.report(named(recent), late)).toMatchObject({ kids: [OTHER_KID] }); // its own leaf it knows
  });

  test('of one lease by two processes at once lose nothing', async () => {
    await using database = await create();
    const stores = [await openStore(database), await openStore(database)] as const;
    await stores[0].add(lease(), NO_LIMITS);
    const kids = Array.from({ length: 20 }, (_, at) => `${String(at).padStart(2, '0')}AAAAAAAAAAAAAAAAAAAA`);
    await stores[0].addOpenings(openings(kids), NO_LIMITS);
    const reports = kids.map(async (kid, at) => {
      const store = at % 2 === 0 ? stores[0] : stores[1];
      return store.report(named(lease()), usage({ sealed: at, opened: { [kid]: 1 } }));
    });
    const added = (await Promise.all(reports)).flatMap((report) => ('added' in report ? report.added : []));
    expect(added.reduce((sum, { sealed }) => sum + sealed, 0)).toBe(19);
    expect(added.reduce((sum, { opened }) => sum + opened, 0)).toBe(20);
    expect(await stores[1].report(named(lease()), usage({}))).toMatchObject({ sealed: 19, opened: 20 });
  });

  test('that were never given out leave nothing behind', async () => {
    await using database = await create();
    const store = await openStore(database);
    await store.add(lease({ lastsMs: -GRACE - 1_000 }), NO_LIMITS);
    await store.discard({ ...named(lease()), principal: 'https://issuer#other' });
    expect(await store.report(named(lease()), usage({}))).toMatchObject({ sealed: 0 });
    await store.discard(named(lease()));
    expect(await store.claimOverdue(100, 60_000)).toEqual([]);
  });
});

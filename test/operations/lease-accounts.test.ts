import { describe, expect, test } from '@jest/globals';
import type { AuditEvent } from '../../src/audit/event.ts';
import type { Role } from '../../src/callers/principal.ts';
import { leaseTable } from '../../src/database/tables/lease-table.ts';
import { ServiceError } from '../../src/errors.ts';
import { createLease } from '../../src/operations/leases/create-lease.ts';
import { LeaseCounts } from '../../src/operations/leases/lease-counts.ts';
import { openLeases } from '../../src/operations/leases/open-leases.ts';
import { recordOverdueLeases } from '../../src/operations/leases/record-overdue-leases.ts';
import { reportLeaseUsage } from '../../src/operations/leases/report-lease-usage.ts';
import type { LeaseStore, NewLease } from '../../src/tenants/lease-store.ts';
import { Deployment, tenantRecord } from '../support/deployment.ts';
import { sealLocally } from '../support/lease-holder.ts';
import { newSqlite } from '../support/sql-databases.ts';

const roles = new Set<Role>(['Keys.Lease', 'Data.Encrypt', 'Data.Decrypt']);
const request = { principal: { id: 'https://issuer#app', roles, tenantIds: undefined }, requestId: 'a-request' };
const input = { tenantId: 'contoso' };
const DAY = 86_400_000;
const OVERDUE = -360_000;

const unavailable = async (): Promise<never> => {
  throw new ServiceError('registry-unavailable', 'The tenant database is unreachable');
};

/** Returns a process that leases keys, with a store of accounts in SQLite, and its keys as given out. */
async function leasing(change: Partial<LeaseStore> = {}) {
  const database = await newSqlite();
  const leases: LeaseStore = { ...leaseTable(await database.open()), ...change };
  const { keys } = tenantRecord();
  const cmk = { ...(keys['cmk'] as (typeof keys)[string]), form: 'compact' as const };
  const deployment = new Deployment({ keys: { ...keys, cmk }, leases: { maxSeconds: 300 } });
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0 };
  deployment.withKeyring();
  const process = deployment.start();
  const leaseCounts = new LeaseCounts();
  const leaves: Buffer[] = [];
  const { dataKeys } = process;
  const kept = <T extends { readonly leafKey: Buffer }>(leaf: T): T => {
    leaves.push(leaf.leafKey);
    return leaf;
  };
  const deps = {
    ...process.deps(),
    leases,
    leaseCounts,
    maxPlaintextBytes: 1_048_576,
    dataKeys: {
      leaseForSealing: async (...of: Parameters<typeof dataKeys.leaseForSealing>) =>
        kept(await dataKeys.leaseForSealing(...of)),
      leaseForOpening: async (...of: Parameters<typeof dataKeys.leaseForOpening>) =>
        kept(await dataKeys.leaseForOpening(...of)),
    },
  };
  return { deps, process, leases, leaseCounts, leaves, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

const noRecord = {
  record: async (): Promise<never> => {
    throw new ServiceError('audit-unavailable', 'The audit log cannot be written');
  },
  trouble: () => undefined,
  close: async () => undefined,
};

describe('without an account or a record no key leaves', () => {
  test('of a new lease while the database is away', async () => {
    await using away = await leasing({ add: unavailable });
    await expect(createLease(away.deps, request, input)).rejects.toMatchObject({ code: 'registry-unavailable' });
    expect(away.leaves).toEqual([Buffer.alloc(32)]);
    expect([away.process.audited, away.leaseCounts.issued]).toEqual([[], 0]);
  });

  test('of a new lease while the audit cannot write; the account is removed', async () => {
    await using mute = await leasing();
    await expect(createLease({ ...mute.deps, audit: noRecord }, request, input)).rejects.toMatchObject({
      code: 'audit-unavailable',
    });
    expect(mute.leaves).toEqual([Buffer.alloc(32)]);
    expect(mute.leaseCounts.issued).toBe(0);
    expect(await mute.leases.add(lease(), { perCaller: 1, perTenant: 1 })).toBeUndefined();
  });

  test.each([
    ['the database is away', { addOpenings: unavailable }, {}, 'registry-unavailable'],
    ['the audit cannot write', {}, { audit: noRecord }, 'audit-unavailable'],
    ['the caller has too many', { addOpenings: async () => 'caller' as const }, {}, 'caller-throttled'],
  ])('of an opened leaf while %s', async (_case, store, more, code) => {
    await using one = await leasing(store);
    const held = await createLease(one.deps, request, input);
    const ciphertext = sealLocally(held, 'a value');
    const batch = { ...input, items: [() => ({ ciphertext }), () => ({ ciphertext })] };
    await expect(openLeases({ ...one.deps, ...more }, request, batch)).rejects.toMatchObject({ code });
    expect(one.leaves.slice(1)).toEqual([Buffer.alloc(32), Buffer.alloc(32)]);
    expect(one.leaseCounts.leavesOpened).toBe(0);
  });

  test('of a lease beyond the number that a caller or a tenant may hold', async () => {
    for (const limit of ['caller', 'tenant'] as const) {
      await using full = await leasing({ add: async () => limit });
      await expect(createLease(full.deps, request, input)).rejects.toMatchObject({
        code: 'caller-throttled',
        reason: `${limit}-leases`,
        retryAfter: 30,
      });
      expect(full.leaves).toEqual([Buffer.alloc(32)]);
    }
  });
});

const lease = (change: Partial<NewLease> = {}): NewLease => ({
  tenantId: 'contoso',
  id: 'b5d3a1c0-6f0e-4e5e-9a53-1d8f7c2b4a90',
  principal: request.principal.id,
  kid: 'AAAAAAAAAAAAAAAAAAAAAA',
  keyId: 'https://kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0',
  maxMessages: 1_000,
  lastsMs: OVERDUE,
  ...change,
});
const NO_LIMITS = { perCaller: 100, perTenant: 100 };

describe('a lease without a final report', () => {
  test('counts as all its messages, once, 5 minutes after its end', async () => {
    await using one = await leasing();
    await one.leases.add(lease(), NO_LIMITS);
    await one.leases.add(lease({ id: 'b5d3a1c0-6f0e-4e5e-9a53-1d8f7c2b4a91', lastsMs: -240_000 }), NO_LIMITS);
    const usage = { sealed: 30, opened: new Map(), bytes: 0, isFinal: false };
    await reportLeaseUsage(one.deps, request, { ...input, leaseId: lease().id, ...usage });
    for (let time = 0; time < 3; time += 1) await recordOverdueLeases(one.deps);
    expect(one.process.audited.filter(({ operation }) => operation === 'lease-overdue')).toEqual([
      {
        operation: 'lease-overdue',
        outcome: 'failed',
        reason: 'unreported',
        requestId: expect.any(String),
        principal: request.principal.id,
        tenantId: 'contoso',
        keyId: lease().keyId,
        lease: lease().id,
        leaves: [lease().kid],
        items: { sealed: 30, unreported: 970 },
      },
    ]);
    expect(one.leaseCounts).toMatchObject({ overdue: 1, unreported: 970, sealed: 30 });
  });

  test('bars nobody: its holder gets another lease, and may still report', async () => {
    await using one = await leasing();
    await one.leases.add(lease(), NO_LIMITS);
    await recordOverdueLeases(one.deps);
    expect((await createLease(one.deps, request, input)).key).toHaveLength(32);
    const usage = { sealed: 8, opened: new Map(), bytes: 0, isFinal: true };
    await reportLeaseUsage(one.deps, request, { ...input, leaseId: lease().id, ...usage });
    expect(one.process.audited.at(-1)).toMatchObject({
      operation: 'lease-usage',
      phase: 'finished',
      items: { sealed: 8 },
    });
  });

  test('is recorded later if the audit cannot write now, by any process', async () => {
    await using one = await leasing();
    await one.leases.add(lease(), NO_LIMITS);
    const short: LeaseStore = { ...one.leases, claimOverdue: (limit) => one.leases.claimOverdue(limit, 20) };
    await expect(recordOverdueLeases({ ...one.deps, leases: short, audit: noRecord })).rejects.toThrow(ServiceError);
    expect(one.leaseCounts.overdue).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const records: AuditEvent[] = [];
    const record = async (event: AuditEvent) => void records.push(event);
    await recordOverdueLeases({ ...one.deps, audit: { record } });
    expect(records).toHaveLength(1);
  });

  test('of which opened leaves were never reported is one record for each caller and key version', async () => {
    await using one = await leasing();
    const kids = ['AAAAAAAAAAAAAAAAAAAAAA', 'BAAAAAAAAAAAAAAAAAAAAA'];
    const leaves = kids.map((kid) => ({ kid, keyId: lease().keyId, lastsMs: OVERDUE }));
    await one.leases.addOpenings({ tenantId: 'contoso', principal: request.principal.id, leaves }, NO_LIMITS);
    await recordOverdueLeases(one.deps);
    expect(one.process.audited.map(({ leaves: shown, items }) => ({ shown, items }))).toEqual([
      { shown: kids, items: { 'unreported-leaves': 2 } },
    ]);
    expect(one.leaseCounts.leavesOverdue).toBe(2);
  });

  test('is forgotten a day after its end', async () => {
    await using one = await leasing();
    await one.leases.add(lease({ lastsMs: -DAY - 1_000 }), NO_LIMITS);
    await recordOverdueLeases(one.deps);
    const usage = { sealed: 1, opened: new Map(), bytes: 0, isFinal: true };
    const late = reportLeaseUsage(one.deps, request, { ...input, leaseId: lease().id, ...usage });
    await expect(late).rejects.toMatchObject({ code: 'lease-not-found' });
  });
});

test('a removed tenant has no new leases, and its holders may report', async () => {
  await using one = await leasing();
  await one.leases.add(lease({ tenantId: 'removed' }), NO_LIMITS);
  const gone = { tenantId: 'removed' };
  await expect(createLease(one.deps, request, gone)).rejects.toMatchObject({ code: 'tenant-not-found' });
  const usage = { sealed: 1, opened: new Map(), bytes: 0, isFinal: true };
  await reportLeaseUsage(one.deps, request, { ...gone, leaseId: lease().id, ...usage });
  expect(one.process.audited).toEqual([expect.objectContaining({ operation: 'lease-usage', tenantId: 'removed' })]);
});

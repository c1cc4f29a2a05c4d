import { describe, expect, test } from '@jest/globals';
import { parseCompact } from '../../src/format/compact.ts';
import type { DataKeyBounds } from '../../src/tenants/bounds.ts';
import type { Tenant } from '../../src/tenants/record.ts';
import { BOUND, CMK_V1, codeOf, Deployment, settle, tenantRecord } from '../support/deployment.ts';
import { outage, refusal } from '../support/jwk-key-wrapper.ts';
import { openLocally, sealLocally } from '../support/lease-holder.ts';

const DAY = 86_400;
const HOUR = 3_600;
const { keys } = tenantRecord();
const compact = { ...keys, cmk: { ...(keys['cmk'] as (typeof keys)[string]), form: 'compact' as const } };

/** Returns a deployment whose branches seal at once, with a process that leases leaves. */
function ready(change: Partial<Tenant> = {}, settings: { readonly settleMs?: number; readonly epochMs?: number } = {}) {
  const deployment = new Deployment();
  const tenant = tenantRecord({ keys: compact, ...change });
  deployment.register(tenant);
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0, ...settings };
  const keyring = deployment.withKeyring();
  const process = deployment.start();
  return { deployment, keyring, process, ...leasing(process, tenant) };
}

function leasing({ dataKeys }: ReturnType<Deployment['start']>, tenant: Tenant) {
  const key = (alias = 'cmk') => tenant.keys[alias] as (typeof keys)[string];
  return {
    lease: async (alias?: string) => {
      const leaf = await dataKeys.leaseForSealing(tenant, key(alias));
      return { ...leaf, key: leaf.leafKey };
    },
    open: async (ciphertext: string) => {
      const leaf = await dataKeys.leaseForOpening(tenant, parseCompact(ciphertext), undefined);
      return { ...leaf, key: leaf.leafKey };
    },
  };
}

/** Returns the seconds that a leaf still lasts. */
const secondsLeft = (deployment: Deployment, { endsAt }: { readonly endsAt: number }): number =>
  (endsAt - deployment.clock.monotonicMs()) / 1_000;

const reasonOf = async (request: Promise<unknown>): Promise<unknown> =>
  request.then(
    () => 'ok',
    ({ code, reason }: { readonly code: string; readonly reason?: string }) => `${code} ${reason}`,
  );

describe('a leased leaf', () => {
  test('seals what the service opens, and has the bit of leases', async () => {
    const { deployment, process, lease } = ready();
    const leaf = await lease();
    const message = sealLocally(leaf, 'a value', { row: '1' });
    expect(parseCompact(message).leaf).toMatchObject({ kid: leaf.kid, isLease: true });
    expect((await process.decrypt(message, { context: { row: '1' } })).toString()).toBe('a value');
    expect(await codeOf(process.decrypt(message, { context: { row: '2' } }))).toBe('undecryptable');
    expect(await codeOf(deployment.start().decrypt(message))).toBe('undecryptable');
  });

  test('is new for each lease, and none is ever a leaf of the service', async () => {
    const { process, lease } = ready();
    await lease();
    const leaves = await Promise.all(Array.from({ length: 20 }, () => lease()));
    expect(new Set(leaves.map(({ kid }) => kid)).size).toBe(20);
    expect(new Set(leaves.map(({ key }) => key.toString('hex'))).size).toBe(20);
    expect(parseCompact(await process.encrypt()).leaf.isLease).toBe(false);
  });

  test('opens again in another process, from a message of it', async () => {
    const { deployment, lease } = ready();
    const leaf = await lease();
    const message = sealLocally(leaf, 'a value');
    const { open } = leasing(deployment.start(), await deployment.get('contoso'));
    const opened = await open(message);
    expect([opened.kid, opened.key]).toEqual([leaf.kid, leaf.key]);
    expect(openLocally(opened, message)).toBe('a value');
  });

  test('of the service is never given out', async () => {
    const { process, open } = ready();
    expect(await reasonOf(open(await process.encrypt()))).toBe('unknown-key not-leased');
  });

  test('of a branch that somebody planted is not given out', async () => {
    const { deployment, lease } = ready();
    const message = sealLocally(await lease(), 'a value');
    deployment.originKeys.keys = [];
    deployment.register({ ...(await deployment.get('contoso')), origin: 'optional' });
    const { open } = leasing(deployment.start(), await deployment.get('contoso'));
    expect(await reasonOf(open(message))).toBe('unknown-key not-leased');
  });

  test('of an unknown branch costs no vault call', async () => {
    const { deployment, lease, keyring } = ready();
    const message = sealLocally(await lease(), 'a value');
    keyring.rows.length = 0;
    const cold = deployment.start();
    await cold.encrypt();
    deployment.vault.takeCalls();
    const { open } = leasing(cold, await deployment.get('contoso'));
    expect(await reasonOf(open(message))).toBe('unknown-key branch-unknown');
    expect(deployment.vault.takeCalls()).toEqual([]);
  });
});

describe('the end of a lease', () => {
  test("is the proof's, not a bound after its issue", async () => {
    const { deployment, process, lease } = ready();
    await process.encrypt();
    deployment.clock.advance(BOUND / 2 - 10);
    expect(secondsLeft(deployment, await lease())).toBe(BOUND / 2 + 10);
  });

  test('needs half of the bound: a proof with less left is renewed first', async () => {
    const { deployment, process, lease, open } = ready();
    await process.encrypt();
    const message = sealLocally(await lease(), 'a value');
    deployment.clock.advance(BOUND / 2 + 1);
    deployment.vault.takeCalls();
    const leaves = await Promise.all([lease(), lease(), open(message)]);
    expect(leaves.map((leaf) => secondsLeft(deployment, leaf))).toEqual([BOUND, BOUND, BOUND]);
    expect(deployment.vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('after a revocation is within the bound, and no lease follows, however fresh the proof was', async () => {
    const { deployment, lease, open } = ready();
    const leaf = await lease();
    const message = sealLocally(leaf, 'a value');
    deployment.vault.answer = () => {
      throw refusal('key-disabled');
    };
    expect(secondsLeft(deployment, leaf)).toBeLessThanOrEqual(BOUND);
    deployment.clock.advance(BOUND / 2 + 1);
    expect(await codeOf(lease())).toBe('access-revoked');
    expect(await codeOf(open(message))).toBe('access-revoked');
  });

  test('is the rest of the proof while the vault does not answer, until the proof ends', async () => {
    const { deployment, lease, open } = ready();
    const message = sealLocally(await lease(), 'a value');
    deployment.clock.advance(BOUND / 2 + 1);
    deployment.vault.answer = () => {
      throw outage();
    };
    expect(secondsLeft(deployment, await lease())).toBe(BOUND / 2 - 1);
    expect(secondsLeft(deployment, await open(message))).toBe(BOUND / 2 - 1);
    deployment.clock.advance(BOUND / 2 - 5);
    expect(await codeOf(lease())).toBe('vault-unavailable');
    expect(await codeOf(open(message))).toBe('vault-unavailable');
  });

  test("is at most the age of the tenant's data keys, and its messages and bytes are theirs", async () => {
    const dataKeys: Partial<DataKeyBounds> & { maxAgeSeconds: number } = {
      maxAgeSeconds: 60,
      maxMessages: 10,
      maxBytes: 2 ** 30,
    };
    const { deployment, lease } = ready({ dataKeys });
    const leaf = await lease();
    expect(secondsLeft(deployment, leaf)).toBe(60);
    expect(leaf).toMatchObject({ maxMessages: 10, maxBytes: 2 ** 30 });
  });

  test("comes no later than the end of the epoch after its branch's: then the branch may be destroyed", async () => {
    const { deployment, keyring, lease } = ready({ revocationBoundSeconds: HOUR }, { epochMs: HOUR * 1_000 });
    deployment.clock.advance(HOUR - ((deployment.clock.wallMs() / 1_000) % HOUR));
    const { kid } = await lease();
    const branchId = keyring.rows.find(({ label }) => Date.parse(label) === deployment.clock.wallMs())?.id ?? '';
    deployment.branchSettings = { ...deployment.branchSettings, settleMs: 90 * 60_000 }; // longer than an epoch
    const { lease: leaseLater } = leasing(deployment.start(), await deployment.get('contoso'));
    deployment.clock.advance(HOUR + 35 * 60);
    const leaf = await leaseLater();
    expect([kid, leaf.kid].map((id) => id.slice(0, 10))).toEqual([branchId.slice(0, 10), branchId.slice(0, 10)]);
    expect(secondsLeft(deployment, leaf)).toBe(25 * 60);
    deployment.clock.advance(25 * 60 - 2);
    expect(await reasonOf(leaseLater())).toBe('registry-unavailable branch-not-ready');
  });

  test('crosses the end of an epoch: its messages open then, and later', async () => {
    const { deployment, process, lease } = ready();
    deployment.clock.advance(DAY - 60 - ((deployment.clock.wallMs() / 1_000) % DAY));
    const leaf = await lease();
    expect(secondsLeft(deployment, leaf)).toBe(BOUND);
    deployment.clock.advance(120);
    const message = sealLocally(leaf, 'after midnight');
    expect((await process.decrypt(message)).toString()).toBe('after midnight');
    deployment.clock.advance(30 * DAY);
    expect((await process.decrypt(message)).toString()).toBe('after midnight');
  });
});

describe('no lease is given', () => {
  test('for a key that is not compact', async () => {
    const { lease } = ready();
    expect(await reasonOf(lease('hsm'))).toBe('key-use key-not-compact');
  });

  test('with a bound of 0, where each use asks the vault', async () => {
    const { lease, open } = ready({ revocationBoundSeconds: 0 });
    expect(await reasonOf(lease())).toBe('key-use no-bound');
    const other = await ready().lease();
    expect(await reasonOf(open(sealLocally(other, 'a value')))).toBe('key-use no-bound');
  });

  test('with a data key for each message', async () => {
    const { lease } = ready({ dataKeys: { mode: 'perMessage' } });
    expect(await reasonOf(lease())).toBe('key-use per-message');
  });

  test('before a branch is ready, not even where messages are then self-contained', async () => {
    const { deployment, process, lease } = ready({}, { settleMs: 600_000 });
    await process.encrypt();
    await settle();
    expect(await reasonOf(lease())).toBe('registry-unavailable branch-not-ready');
    deployment.clock.advance(661);
    expect(await reasonOf(lease())).toBe('ok');
  });

  test('in a database that may not seal', async () => {
    const { deployment, lease } = ready();
    deployment.boundTo = undefined;
    expect(await reasonOf(lease())).toBe('registry-unavailable branch-not-ready');
  });

  test('once the row of its branch was not seen for a minute and the database is away', async () => {
    const { deployment, keyring, lease } = ready();
    await lease();
    keyring.isAway = true;
    expect(await reasonOf(lease())).toBe('ok');
    deployment.clock.advance(61);
    expect(await codeOf(lease())).toBe('registry-unavailable');
  });

  test('under a version that the vault refuses, after another one was made', async () => {
    const { deployment, lease } = ready();
    const { keyId } = await lease();
    expect(keyId).toBe(CMK_V1);
    deployment.clock.advance(DAY);
    deployment.vault.answer = ({ kid }) => {
      if (kid === CMK_V1) throw refusal('key-disabled');
    };
    expect(await codeOf(lease())).toBe('access-revoked');
  });
});

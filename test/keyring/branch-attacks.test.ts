import { createSecretKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { isCompact, leafIdOf } from '../../src/format/compact.ts';
import { dataKeyFrom } from '../../src/format/data-key.ts';
import { BranchLimit } from '../../src/keyring/branches/branch-limit.ts';
import { OpenedBranches } from '../../src/keyring/branches/opened-branches.ts';
import type { LinedKey } from '../../src/keyring/key-line.ts';
import { importBranchKeys } from '../../src/operations/branches/import-branch-keys.ts';
import { moveBranchKeys } from '../../src/operations/branches/move-branch-keys.ts';
import { rewrapBranchKeys } from '../../src/operations/branches/rewrap-branch-keys.ts';
import {
  allAtOnce,
  BOUND,
  CMK_V1,
  CMK_V2,
  call,
  codeOf,
  Deployment,
  HSM_KEY,
  settle,
  tenantRecord,
} from '../support/deployment.ts';
import { gcm } from '../support/gcm.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';
import { until } from '../support/until.ts';

const { keys } = tenantRecord();
const compact = (alias: string) => ({ ...(keys[alias] as (typeof keys)[string]), form: 'compact' as const });
const TENANT = tenantRecord({
  keys: { cmk: compact('cmk'), hsm: compact('hsm') },
  indexes: { email: { bits: 128, normalize: 'none' } },
});

/** Returns a deployment whose keys are compact, and whose branch keys encrypt once they are made. */
function ready(change: Partial<typeof TENANT> = {}) {
  const deployment = new Deployment();
  const tenant = { ...TENANT, ...change };
  deployment.register(tenant);
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0 };
  const keyring = deployment.withKeyring();
  const move = (to?: string) =>
    moveBranchKeys(
      { keyring: { keys: keyring }, dataKeys: deployment.start().dataKeys, clock: deployment.clock },
      { tenant, to: to === undefined ? undefined : tenant.keys[to], atMostMs: 60_000 },
    );
  return { deployment, keyring, tenant, move };
}

const refusing =
  (refused: string) =>
  ({ kid }: { readonly kid: string }) => {
    if (kid === refused) throw refusal('key-disabled');
  };

describe('a branch that another process moved', () => {
  test('seals at once, although the change is not reported yet', async () => {
    const { deployment, keyring, move } = ready();
    const process = deployment.start();
    await process.encrypt();
    const before = keyring.rows;
    deployment.vault.makeNewest(CMK_V2);
    await move();
    const after = keyring.rows;
    keyring.rows = before;
    process.dataKeys.branchesChanged('contoso');
    await process.encrypt();
    keyring.rows = after; // no process is notified
    deployment.clock.advance(61);
    expect(isCompact(await process.encrypt())).toBe(true);
  });

  test('stops with its new version, in a process that held it under the old one too', async () => {
    const { deployment, move } = ready();
    const process = deployment.start();
    const sealed = await process.encrypt();
    deployment.vault.makeNewest(CMK_V2);
    await move();
    deployment.vault.answer = refusing(CMK_V2);
    expect(await codeOf(process.decrypt(sealed))).toBe('access-revoked');
  });

  test('moves to another key, and back although its first key has a new branch of the same epoch', async () => {
    const { deployment, move } = ready();
    const process = deployment.start();
    const sealed = await process.encrypt('first');
    expect(await move('hsm')).toMatchObject({ moved: 1, staying: 0 });
    deployment.clock.advance(11); // a key is not made again within ten seconds
    const next = await process.encrypt('second');
    expect(isCompact(next)).toBe(true);
    expect(await move('cmk')).toMatchObject({ moved: 1, current: 1, staying: 0 });
    deployment.vault.answer = refusing(HSM_KEY);
    const cold = deployment.start();
    expect((await cold.decrypt(sealed)).toString()).toBe('first');
    expect((await cold.decrypt(next)).toString()).toBe('second');
  });
});

describe("the policy of a branch's key", () => {
  const tags = { 'vaultspan-operations': 'encrypt' };

  test('is not left by a move to a key that does not carry it', async () => {
    const { deployment, keyring, move } = ready();
    const sealed = await deployment.start().encrypt();
    const before = keyring.rows;
    deployment.vault.change(CMK_V1, { tags });
    expect(await move('hsm')).toMatchObject({ moved: 0, stayingKeys: [{ reason: 'policy-differs' }] });
    expect(keyring.rows).toEqual(before);
    expect(await codeOf(deployment.start().decrypt(sealed))).toBe('policy-refused');
  });

  test('holds after a move to a key that carries it, and does not keep a key from its newest version', async () => {
    const { deployment, move } = ready();
    const sealed = await deployment.start().encrypt();
    for (const kid of [CMK_V1, CMK_V2, HSM_KEY]) deployment.vault.change(kid, { tags });
    deployment.vault.makeNewest(CMK_V2);
    expect(await move()).toMatchObject({ moved: 1, staying: 0 });
    expect(await move('hsm')).toMatchObject({ moved: 1, staying: 0 });
    expect(await codeOf(deployment.start().decrypt(sealed))).toBe('policy-refused');
  });
});

test('a rotation moves index keys: tokens stay the same, and need the new version only', async () => {
  const { deployment, keyring, move } = ready();
  const process = deployment.start();
  await process.makeIndexKeys();
  const before = await process.tokens();
  const sealed = await process.sealDeterministic();
  deployment.vault.makeNewest(CMK_V2);
  expect(await move()).toMatchObject({ moved: 1, staying: 0 });
  expect(keyring.rows).toMatchObject([{ kind: 'index', kid: CMK_V2 }]);
  deployment.vault.answer = refusing(CMK_V1);
  for (const using of [process, deployment.start()]) {
    expect(await using.tokens()).toEqual(before);
    expect(await using.openDeterministic(sealed)).toBe('ann@example.org');
  }
  deployment.vault.answer = refusing(CMK_V2);
  deployment.clock.advance(BOUND);
  expect(await codeOf(process.tokens())).toBe('access-revoked');
});

test.each([
  ['a branch', 'branch'],
  ['an index key', 'index'],
] as const)('%s that was planted and removed again is not put back', async (_name, kind) => {
  const { deployment, keyring } = ready({ origin: 'optional' });
  const process = deployment.start();
  await process.makeIndexKeys();
  await process.encrypt();
  await process.tokens();
  const mine = deployment.originKeys.keys;
  const elsewhere = ready({ origin: 'optional' });
  elsewhere.deployment.originKeys.keys = [createSecretKey(Buffer.alloc(32, 9))];
  await elsewhere.deployment.start().encrypt();
  await elsewhere.deployment.start().makeIndexKeys();
  const planted = elsewhere.keyring.rows.filter((row) => row.kind === kind);
  expect(planted).toHaveLength(1);
  keyring.rows = [...keyring.rows, ...planted];
  deployment.clock.advance(61);
  await process.encrypt();
  await codeOf(process.tokens());
  keyring.rows = keyring.rows.filter((row) => !planted.includes(row));
  deployment.clock.advance(61);
  await process.encrypt();
  await codeOf(process.tokens());
  await process.dataKeys.recheckBranches();
  await settle();
  expect(keyring.rows.map(({ id }) => id)).not.toContain(planted[0]?.id);
  expect(deployment.branchEvents).not.toContain(`${kind}-put-back`);
  expect(deployment.originKeys.keys).toBe(mine);
});

test('a process that forgot a tenant restores none of its rows, although a recheck was due', async () => {
  const { deployment, keyring } = ready();
  const process = deployment.start();
  await process.encrypt();
  process.dataKeys.branchesChanged('contoso');
  process.dataKeys.forget('contoso');
  keyring.rows = [];
  await sleep(400); // rechecks come 200 ms after a change
  expect(keyring.rows).toEqual([]);
});

test('a process that holds a row restores it once it hears of a change', async () => {
  const { deployment, keyring } = ready();
  const process = deployment.start();
  await process.encrypt();
  process.dataKeys.branchesChanged('contoso');
  const before = keyring.rows.map(({ jwe }) => jwe);
  keyring.rows = [];
  await until(() => keyring.rows.length === 1);
  expect(keyring.rows.map(({ jwe }) => jwe)).toEqual(before);
});

test('a rewrap that is requested reads the key anew: a rotation of this very moment is followed', async () => {
  const { deployment, keyring } = ready();
  const process = deployment.start();
  await process.encrypt(); // reads the key
  deployment.vault.makeNewest(CMK_V2);
  const deps = { ...process.deps(), keyring: { keys: keyring } };
  expect(await rewrapBranchKeys(deps, call, { tenantId: 'contoso' })).toMatchObject({ moved: 1, current: 0 });
  expect(await rewrapBranchKeys(deps, call, { tenantId: 'contoso' })).toMatchObject({ moved: 0, current: 1 });
});

test('two first leases at once both have a branch', async () => {
  const { deployment, keyring, tenant } = ready();
  const { dataKeys } = deployment.start();
  const leases = await allAtOnce(5, () => dataKeys.leaseForSealing(tenant, tenant.keys['cmk'] as never));
  expect(new Set(leases.map(({ kid }) => kid)).size).toBe(5);
  expect(keyring.rows).toHaveLength(1);
});

test.each([
  ['of a tenant with an optional origin', true],
  ['of a tenant that is not registered yet', false],
])('an import takes no key without our mac, %s', async (_whose, isRegistered) => {
  const { deployment, keyring, tenant } = ready({ origin: 'optional' });
  const elsewhere = ready({ origin: 'optional' });
  elsewhere.deployment.originKeys.keys = [createSecretKey(Buffer.alloc(32, 9))];
  await elsewhere.deployment.start().encrypt();
  const lines: LinedKey[] = elsewhere.keyring.rows.map(({ tenantId, kind, id, label, vaultKey, kid, jwe }) => ({
    ...{ tenantId, kind, id, label, vaultKey, kid },
    ...(jwe !== undefined && { jwe }),
  }));
  const { dataKeys } = deployment.start();
  const deps = {
    keyring: { keys: keyring },
    dataKeys,
    copies: deployment.copies,
    originKeys: deployment.originKeys,
    tenantOfKeys: async () => (isRegistered ? tenant : undefined),
    onEvent: async () => undefined,
  };
  const outcomes = [];
  for await (const { outcome } of importBranchKeys(deps, async function* () {
    yield* lines;
  }))
    outcomes.push(outcome);
  expect(outcomes).toEqual(['rejected']);
  expect(keyring.rows).toEqual([]);
});

test('ids that no branch has are looked up 500 at a time', async () => {
  const { deployment, keyring } = ready();
  const process = deployment.start();
  const sealed = await process.encrypt();
  const asked: number[] = [];
  const find = keyring.find.bind(keyring);
  keyring.find = (tenantId, ids) => {
    asked.push(ids.length);
    return find(tenantId, ids);
  };
  const unknown = (index: number) => {
    const id = Buffer.alloc(8);
    id.writeUInt32BE(index);
    const { kid } = leafIdOf(id, Buffer.alloc(8));
    const header = Buffer.from(`{"alg":"dir","enc":"A256GCM","kid":"${kid}"}`).toString('base64url');
    return `${header}${sealed.slice(80)}`;
  };
  const codes = await allAtOnce(1_200, (index) => codeOf(process.decrypt(unknown(index))));
  expect(new Set(codes)).toEqual(new Set(['unknown-key']));
  expect(Math.max(...asked)).toBe(500);
  expect(asked).toHaveLength(3);
});

describe('branch keys in memory', () => {
  test('of tenants that were not used lately leave it at the limit of the process', () => {
    const evicted: string[] = [];
    const tenants = ['used', 'before', 'long ago'].map((name) => ({
      size: 60,
      evict: () => void evicted.push(name),
    }));
    const limit = new BranchLimit(() => tenants, 100);
    limit.opened();
    expect(evicted).toEqual([]);
    limit.opened(); // tenants are counted again after a part of the limit
    expect(evicted).toEqual(['before', 'long ago']);
  });

  test('take their leaves with them at the limit of a tenant', () => {
    const opened = new OpenedBranches(gcm);
    const dataKey = dataKeyFrom(gcm, Buffer.alloc(32, 1), {
      kek: { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'cmk', keyVersion: '1' },
      algorithm: 'RSA-OAEP-256',
      kid: CMK_V1,
      tenantId: 'contoso',
      encryptedKey: 'AAAA',
    });
    const put = (index: number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(index);
      const row = { tenantId: 'contoso', id: bytes.toString('base64url') } as never;
      return opened.put({ row, key: createSecretKey(Buffer.alloc(32, 2)), dataKey, isOurs: true }, 0);
    };
    const first = put(0);
    const { kid } = leafIdOf(Buffer.alloc(8), Buffer.alloc(8));
    const leaf = opened.leafKey(first, 'message', kid);
    put(1);
    expect(opened.leafKey(first, 'message', kid)).toBe(leaf);
    for (let index = 2; index <= 512; index += 1) put(index);
    expect(opened.size).toBe(512);
    expect(opened.get(first.branch.row.id)).toBeUndefined();
    expect(opened.leafKey(first, 'message', kid)).not.toBe(leaf);
  });
});

import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { isCompact } from '../../src/format/compact.ts';
import { vaultKeyOf } from '../../src/keyring/branches/branch-deps.ts';
import { moveBranchKeys, moveOutdatedKeys } from '../../src/operations/branches/move-branch-keys.ts';
import { BOUND, CMK_V1, CMK_V2, codeOf, Deployment, HSM_KEY, settle, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';
import { until } from '../support/until.ts';

const DAY = 86_400;
const { keys } = tenantRecord();
const cmk = { ...(keys['cmk'] as (typeof keys)[string]), form: 'compact' as const };
const TENANT = tenantRecord({ keys: { ...keys, cmk } });

/** Returns a deployment with some days of compact messages, under the first version of their key. */
async function withDays(days: number) {
  const deployment = new Deployment();
  deployment.register(TENANT);
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0 };
  const keyring = deployment.withKeyring();
  const process = deployment.start();
  const sealed: string[] = [];
  for (let day = 0; day < days; day += 1) {
    await process.encrypt();
    await process.encrypt(); // makes the day's branch in the background, if the day before had one
    await settle();
    sealed.push(await process.encrypt(`day ${day}`));
    deployment.clock.advance(DAY);
  }
  const moveIn = (mover: typeof process, to?: string) =>
    moveBranchKeys(
      { keyring: { keys: keyring }, dataKeys: mover.dataKeys, clock: deployment.clock },
      { tenant: TENANT, to: to === undefined ? undefined : TENANT.keys[to], atMostMs: 60_000 },
    );
  return { deployment, keyring, process, sealed, moveIn };
}

const refusing =
  (...kids: readonly string[]) =>
  ({ kid }: { readonly kid: string }) => {
    if (kids.includes(kid)) throw refusal('key-disabled');
  };

describe('after a rotation', () => {
  test('every branch key moves to the newest version, and the old version is not needed any more', async () => {
    const { deployment, keyring, sealed, moveIn } = await withDays(5);
    const before = keyring.rows.map(({ id, jwe }) => ({ id, jwe }));
    deployment.vault.makeNewest(CMK_V2);
    const mover = deployment.start();
    expect(await moveIn(mover)).toMatchObject({ moved: before.length, current: 0, staying: 0, isComplete: true });
    expect(await keyring.needs('contoso')).toEqual([{ kid: CMK_V2, keys: before.length, copies: 0 }]);
    expect(keyring.rows.every(({ id, jwe }) => before.some((row) => row.id === id && row.jwe !== jwe))).toBe(true);
    deployment.vault.answer = refusing(CMK_V1);
    const cold = deployment.start();
    for (const [day, message] of sealed.entries()) expect((await cold.decrypt(message)).toString()).toBe(`day ${day}`);
    expect(deployment.branchEvents.filter((event) => event === 'branch-rewrapped')).toHaveLength(before.length);
  });

  test('one data key serves all moved branches, so a cold process asks the vault once', async () => {
    const { deployment, sealed, moveIn } = await withDays(5);
    deployment.register({ ...TENANT, dataKeys: { mode: 'perMessage' }, revision: '2' });
    deployment.vault.makeNewest(CMK_V2);
    await moveIn(deployment.start());
    const cold = deployment.start();
    deployment.vault.takeCalls();
    for (const message of sealed) await cold.decrypt(message);
    expect(deployment.vault.takeOperations().filter((operation) => operation === 'unwrapKey')).toHaveLength(1);
  });

  test('a process that holds the branches keeps opening them, without a gap and without the old version', async () => {
    const { deployment, process, sealed, moveIn } = await withDays(3);
    for (const message of sealed) await process.decrypt(message);
    deployment.vault.makeNewest(CMK_V2);
    await moveIn(deployment.start());
    deployment.vault.answer = refusing(CMK_V1);
    for (let second = 0; second < 2 * BOUND; second += 60) {
      for (const message of sealed) expect(await codeOf(process.decrypt(message))).toBe('ok');
      deployment.clock.advance(60);
    }
  });

  test('a second run changes nothing, and a run that was stopped continues', async () => {
    const { deployment, keyring, moveIn } = await withDays(4);
    deployment.vault.makeNewest(CMK_V2);
    const mover = deployment.start();
    const rows = keyring.rows.length;
    const stopped = await moveBranchKeys(
      {
        keyring: { keys: keyring },
        dataKeys: {
          moveStoredKey: async (tenant, row, key) => {
            const outcome = await mover.dataKeys.moveStoredKey(tenant, row, key);
            deployment.clock.advance(1);
            return outcome;
          },
        },
        clock: deployment.clock,
      },
      { tenant: TENANT, atMostMs: 2_000 },
    );
    expect(stopped).toMatchObject({ moved: 2, isComplete: false });
    expect(await moveIn(deployment.start())).toMatchObject({ moved: rows - 2, current: 2, isComplete: true });
    expect(await moveIn(mover)).toMatchObject({ moved: 0, current: rows });
  });

  test('two processes that move at once move each branch once, and every message opens', async () => {
    const { deployment, keyring, sealed, moveIn } = await withDays(5);
    deployment.vault.makeNewest(CMK_V2);
    const rows = keyring.rows.length;
    const [one, other] = await Promise.all([moveIn(deployment.start()), moveIn(deployment.start())]);
    expect(one.moved + other.moved).toBe(rows);
    expect(one.current + other.current).toBe(rows);
    expect(deployment.branchEvents.filter((event) => event === 'branch-rewrapped')).toHaveLength(rows);
    const cold = deployment.start();
    for (const message of sealed) expect(await codeOf(cold.decrypt(message))).toBe('ok');
  });

  test('no branch goes back: a process that has not noticed the rotation reads the key first', async () => {
    const { deployment, keyring, moveIn } = await withDays(2);
    const late = deployment.start();
    await late.encrypt(); // it knows the first version as the newest, and makes the day's branch in the background
    await until(() => deployment.branchEvents.filter((event) => event === 'branch-created').length === 3);
    deployment.vault.makeNewest(CMK_V2);
    await moveIn(deployment.start());
    const moved = keyring.rows.map(({ jwe }) => jwe);
    expect(await moveIn(late)).toMatchObject({ moved: 0, current: moved.length });
    expect(keyring.rows.map(({ jwe }) => jwe)).toEqual(moved);
  });

  test('a branch is copied before it is moved, and stays if the copy fails', async () => {
    const { deployment, keyring, moveIn } = await withDays(2);
    const before = keyring.rows.map(({ jwe }) => jwe);
    deployment.vault.makeNewest(CMK_V2);
    deployment.copies = {
      ...deployment.copies,
      isRequired: true,
      write: () => Promise.reject(new Error('the disk is full')),
    };
    await expect(moveIn(deployment.start())).rejects.toThrow('the disk is full');
    expect(keyring.rows.map(({ jwe }) => jwe)).toEqual(before);
    deployment.copies = {
      ...deployment.copies,
      isRequired: true,
      write: async ({ id }) => keyring.rows.some((row) => row.id === id),
    };
    await moveIn(deployment.start());
    expect(await keyring.needs('contoso')).toEqual([{ kid: CMK_V2, keys: before.length, copies: before.length }]);
  });
});

describe('the service by itself', () => {
  const SETTLE = { settleMs: 600_000 };

  test('moves the branch that seals once it notices a rotation, so compact messages go on at once', async () => {
    const { deployment, keyring, process, sealed } = await withDays(2);
    deployment.branchSettings = { ...deployment.branchSettings, ...SETTLE };
    const other = deployment.start();
    const before = await other.encrypt();
    deployment.vault.makeNewest(CMK_V2);
    other.dataKeys.reread('contoso');
    await other.encrypt(); // reads the key in the background
    await settle();
    await settle();
    const after = await other.encrypt();
    expect(isCompact(after)).toBe(true);
    expect(branchOf(after)).toBe(branchOf(before));
    expect(keyring.rows.every(({ madeUnder }) => madeUnder === CMK_V1)).toBe(true);
    const moved = keyring.rows.filter(({ kid }) => kid === CMK_V2);
    expect(moved.map(({ id }) => id)).toContain(branchOf(after));
    for (const message of [...sealed, before, after]) expect(await codeOf(process.decrypt(message))).toBe('ok');
  });

  test('makes a new branch where the vault refuses the old version already', async () => {
    const { deployment, keyring } = await withDays(1);
    const rows = keyring.rows.length;
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.answer = refusing(CMK_V1);
    const process = deployment.start();
    expect(isCompact(await process.encrypt())).toBe(true);
    expect(keyring.rows.filter(({ kid }) => kid === CMK_V2)).toHaveLength(1);
    expect(keyring.rows).toHaveLength(rows + 1);
  });

  test('seals self-contained messages, and fails none, while a branch cannot be copied', async () => {
    const { deployment, keyring } = await withDays(1);
    const before = keyring.rows.map(({ jwe }) => jwe);
    deployment.vault.makeNewest(CMK_V2);
    deployment.branchSettings = { ...deployment.branchSettings, ...SETTLE };
    deployment.copies = { ...deployment.copies, write: () => Promise.reject(new Error('the disk is full')) };
    const process = deployment.start();
    expect(isCompact(await process.encrypt())).toBe(false);
    expect(process.backgroundFailures).toContainEqual(new Error('the disk is full'));
    expect(keyring.rows.map(({ jwe }) => jwe).slice(0, before.length)).toEqual(before);
  });

  test('moves the rest in a round, and reads nothing but counts if nothing is left', async () => {
    const { deployment, keyring } = await withDays(3);
    deployment.vault.makeNewest(CMK_V2);
    const { dataKeys } = deployment.start();
    const deps = { keyring: { keys: keyring }, dataKeys, clock: deployment.clock };
    expect(await moveOutdatedKeys(deps, TENANT)).toMatchObject({ moved: keyring.rows.length, isComplete: true });
    deployment.vault.takeCalls();
    expect(await moveOutdatedKeys(deps, TENANT)).toBeUndefined();
    expect(deployment.vault.takeCalls()).toEqual([]);
  });
});

/** Returns the id of the branch that a compact message names. */
function branchOf(message: string): string {
  const { kid } = JSON.parse(Buffer.from(message.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
  return Buffer.from(kid, 'base64url').toString('base64url', 0, 8);
}

test('a point-in-time restore loses no message: lost rows are put back, and rolled-back rows move again', async () => {
  const { deployment, keyring, process, sealed } = await withDays(2);
  const backup = keyring.rows;
  deployment.vault.makeNewest(CMK_V2);
  const deps = { keyring: { keys: keyring }, dataKeys: process.dataKeys, clock: deployment.clock };
  deployment.clock.advance(61); // the last reading of the key's version is a minute old
  await moveOutdatedKeys(deps, TENANT);
  await process.encrypt();
  await settle();
  const later = await process.encrypt();
  keyring.rows = backup; // without the newest branch, and under the first version
  process.dataKeys.branchesChanged(undefined);
  await process.dataKeys.recheckBranches();
  expect(keyring.rows.map(({ id }) => id)).toContain(branchOf(later));
  for (const message of [...sealed, later]) expect(await codeOf(process.decrypt(message))).toBe('ok');
  await moveOutdatedKeys(deps, TENANT);
  deployment.vault.answer = refusing(CMK_V1);
  const cold = deployment.start();
  for (const message of [...sealed, later]) expect(await codeOf(cold.decrypt(message))).toBe('ok');
});

describe('a year of messages', () => {
  test('costs a cold process and a second one 366 unwraps each, and a rotation moves 366 rows', async () => {
    const { deployment, keyring, sealed, moveIn } = await withDays(366);
    for (const cold of [deployment.start(), deployment.start()]) {
      deployment.vault.takeCalls();
      for (const message of sealed) {
        await cold.decrypt(message);
        deployment.clock.advance(0.1); // rows are looked up ten times a second
      }
      const unwraps = deployment.vault.takeOperations().filter((operation) => operation === 'unwrapKey');
      expect(unwraps.length).toBeLessThanOrEqual(366);
    }
    deployment.vault.makeNewest(CMK_V2);
    const { moved } = await moveIn(deployment.start());
    expect(moved).toBe(keyring.rows.length);
    expect(moved).toBeLessThanOrEqual(367);
  });
});

describe('a branch stays as it is', () => {
  test('if the vault refuses its version already', async () => {
    const { deployment, keyring, moveIn } = await withDays(2);
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.answer = refusing(CMK_V1);
    const result = await moveIn(deployment.start());
    expect(result).toMatchObject({ moved: 0, staying: keyring.rows.length, isComplete: true });
    expect(result.stayingKeys[0]).toMatchObject({ keyId: CMK_V1, code: 'access-revoked', reason: 'key-disabled' });
  });

  test('if it was planted: a move never gives it a mac of ours, under which it would seal', async () => {
    const { deployment, keyring, moveIn } = await withDays(0);
    deployment.register({ ...TENANT, origin: 'optional' });
    const mine = deployment.originKeys.keys;
    deployment.originKeys.keys = [createSecretKey(Buffer.alloc(32, 9))];
    await deployment.start().encrypt('planted');
    deployment.originKeys.keys = mine;
    const planted = keyring.rows.map(({ jwe }) => jwe);
    deployment.vault.makeNewest(CMK_V2);
    const mover = deployment.start();
    const result = await moveBranchKeys(
      { keyring: { keys: keyring }, dataKeys: mover.dataKeys, clock: deployment.clock },
      { tenant: { ...TENANT, origin: 'optional' }, atMostMs: 60_000 },
    );
    expect(result).toMatchObject({ moved: 0, staying: planted.length });
    expect(result.stayingKeys[0]).toMatchObject({ reason: 'not-ours' });
    expect(keyring.rows.map(({ jwe }) => jwe)).toEqual(planted);
    expect(moveIn).toBeDefined();
  });

  test('if its row says another epoch than its JWE, and this is reported', async () => {
    const { deployment, keyring, moveIn } = await withDays(1);
    keyring.rows = keyring.rows.map((row) => ({ ...row, label: '2020-01-01T00:00:00Z' }));
    deployment.vault.makeNewest(CMK_V2);
    expect(await moveIn(deployment.start())).toMatchObject({ moved: 0, staying: keyring.rows.length });
    expect(deployment.disagreements).toHaveLength(keyring.rows.length);
  });

  test('if its key is retired and no other target is named', async () => {
    const { deployment, keyring, moveIn } = await withDays(1);
    const retired = { ...TENANT, keys: { hsm: keys['hsm'] as typeof cmk }, defaultKey: 'hsm', retiredKeys: [cmk] };
    const mover = deployment.start();
    const run = (to?: typeof cmk) =>
      moveBranchKeys(
        { keyring: { keys: keyring }, dataKeys: mover.dataKeys, clock: deployment.clock },
        { tenant: retired, to, atMostMs: 60_000 },
      );
    expect(await run()).toMatchObject({ moved: 0, stayingKeys: [{ reason: 'key-retired' }] });
    expect(await run(retired.keys.hsm)).toMatchObject({ moved: keyring.rows.length, staying: 0 });
    expect(moveIn).toBeDefined();
  });
});

test('a destroyed branch leaves the memory of every process within a second, without being used', async () => {
  const { keyring, process, sealed } = await withDays(2);
  for (const message of sealed) await process.decrypt(message);
  const before = process.dataKeys.held().branches;
  await keyring.destroy('contoso', [keyring.rows[0]?.id ?? '']);
  await until(() => process.dataKeys.held().branches === before - 1);
});

test('branch keys move to a key in another vault, which is refused afterwards like any other', async () => {
  const { deployment, keyring, sealed, moveIn } = await withDays(3);
  expect(await moveIn(deployment.start(), 'hsm')).toMatchObject({ moved: keyring.rows.length, staying: 0 });
  expect(new Set(keyring.rows.map(({ vaultKey }) => vaultKey))).toEqual(
    new Set([vaultKeyOf(keys['hsm'] as typeof cmk)]),
  );
  deployment.vault.answer = refusing(CMK_V1);
  const process = deployment.start();
  for (const message of sealed) expect(await codeOf(process.decrypt(message))).toBe('ok');
  deployment.vault.answer = refusing(HSM_KEY);
  deployment.clock.advance(BOUND);
  for (const message of sealed) expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
});

import { describe, expect, test } from '@jest/globals';
import { isCompact } from '../../src/format/compact.ts';
import { CMK_V2, codeOf, Deployment, settle, tenantRecord } from '../support/deployment.ts';
import type { MemoryKeyring } from '../support/memory-keyring.ts';

const DAY = 86_400;
const { keys } = tenantRecord();

function ready(fallback?: 'refuse') {
  const deployment = new Deployment();
  const cmk = { ...(keys['cmk'] as (typeof keys)[string]), form: 'compact' as const, ...(fallback && { fallback }) };
  deployment.register(tenantRecord({ keys: { ...keys, cmk } }));
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0 };
  return { deployment, keyring: deployment.withKeyring() };
}

const branchIdOf = (message: string): string => {
  const { kid } = JSON.parse(Buffer.from(message.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
  return Buffer.from(kid, 'base64url').subarray(0, 8).toString('base64url');
};
/** Changes rows as the database's owner could: no process is notified. */
const change = (keyring: MemoryKeyring, id: string, changed: object) => {
  keyring.rows = keyring.rows.map((row) => (row.id === id ? { ...row, ...changed } : row));
};

describe('while the database is away', () => {
  test("at an epoch's beginning, messages are self-contained; afterwards the new epoch's branch encrypts", async () => {
    const { deployment, keyring } = ready();
    const process = deployment.start();
    const sealed = await process.encrypt();
    deployment.clock.advance(DAY - 100);
    expect(isCompact(await process.encrypt())).toBe(true);
    keyring.isAway = true;
    deployment.clock.advance(200);
    expect(isCompact(await process.encrypt())).toBe(false);
    keyring.isAway = false;
    deployment.clock.advance(11);
    expect(isCompact(await process.encrypt())).toBe(true); // under the branch of the day before
    await settle();
    await process.encrypt();
    await settle();
    const next = await process.encrypt();
    expect(isCompact(next)).toBe(true);
    expect(branchIdOf(next)).not.toBe(branchIdOf(sealed));
    expect((await process.decrypt(sealed)).toString()).toBe('a value');
  });

  test('at the making of the first branch, messages are self-contained, with refuse too', async () => {
    const { deployment, keyring } = ready();
    const process = deployment.start();
    keyring.isAway = true;
    expect(isCompact(await process.encrypt())).toBe(false);
    expect(keyring.rows).toEqual([]);
    keyring.isAway = false;
    deployment.clock.advance(11);
    expect(isCompact(await process.encrypt())).toBe(true);
    expect(deployment.branchCounts.notReady.unreachable).toBe(1);
  });

  test('for an hour, nothing is lost: decryption ends after five minutes and returns with the database', async () => {
    const { deployment, keyring } = ready('refuse');
    const process = deployment.start();
    const sealed = await process.encrypt();
    keyring.isAway = true;
    for (let minute = 1; minute <= 60; minute += 1) {
      deployment.clock.advance(60);
      expect(await codeOf(process.decrypt(sealed))).toBe(minute < 5 ? 'ok' : 'registry-unavailable');
      await expect(process.encrypt()).rejects.toMatchObject({ reason: 'branch-not-ready' });
    }
    keyring.isAway = false;
    deployment.clock.advance(11);
    expect((await process.decrypt(sealed)).toString()).toBe('a value');
    expect(isCompact(await process.encrypt())).toBe(true);
  });
});

describe('a process that was paused between its look at the rows and its seal', () => {
  test('looks again: it seals under no branch that was destroyed, or lost its copy, meanwhile', async () => {
    const { deployment, keyring } = ready();
    deployment.copies = { ...deployment.copies, isRequired: true, write: async () => true };
    const before = branchIdOf(await deployment.start().encrypt());
    const paused = deployment.start();
    let pauses = 0;
    deployment.vault.answer = ({ operation }) => {
      if (operation !== 'unwrapKey' || pauses > 0) return;
      pauses += 1;
      deployment.clock.advance(61); // longer than branchKeys.recheckSeconds
      change(keyring, before, { copiedJwe: undefined, kid: CMK_V2 });
    };
    const sealed = await paused.encrypt();
    expect(pauses).toBe(1);
    expect(isCompact(sealed) && branchIdOf(sealed) === before).toBe(false);
    expect((await paused.decrypt(sealed)).toString()).toBe('a value');
  });

  test('seals under it if nothing has changed', async () => {
    const { deployment } = ready();
    const before = branchIdOf(await deployment.start().encrypt());
    let pauses = 0;
    deployment.vault.answer = ({ operation }) => {
      if (operation !== 'unwrapKey' || pauses > 0) return;
      pauses += 1;
      deployment.clock.advance(61);
    };
    expect(branchIdOf(await deployment.start().encrypt())).toBe(before);
    expect(pauses).toBe(1);
  });
});

describe('a row', () => {
  test('that was rolled back to its JWE under an older key version opens its messages and seals none', async () => {
    const { deployment, keyring } = ready();
    const sealed = await deployment.start().encrypt();
    deployment.vault.makeNewest(CMK_V2);
    const process = deployment.start();
    const next = await process.encrypt();
    await settle();
    expect((await process.decrypt(sealed)).toString()).toBe('a value');
    const under = isCompact(next) ? keyring.rows.find(({ id }) => id === branchIdOf(next))?.kid : CMK_V2;
    expect(under).toBe(CMK_V2);
  });

  test('of another database seals nothing, from the reading that came from there on', async () => {
    const { deployment, keyring } = ready();
    const process = deployment.start();
    expect(isCompact(await process.encrypt())).toBe(true);
    keyring.id = 'another'; // the name of the database leads elsewhere now
    deployment.clock.advance(61);
    expect(isCompact(await process.encrypt())).toBe(false);
    expect(deployment.branchCounts.notReady.unbound).toBe(1);
  });
});

describe('at midnight', () => {
  test('no process waits: each has opened the next branch at its own time of the last quarter', async () => {
    const { deployment, keyring } = ready();
    deployment.branchSettings = { ...deployment.branchSettings, epochMs: 3_600_000 };
    let drawn = 0;
    // Each draw is as far as it can be from the earlier ones, so that the test never fails by chance.
    deployment.jitter = () => {
      drawn += 1;
      return (drawn * 0.618_033_988_75) % 1;
    };
    const processes = Array.from({ length: 40 }, () => deployment.start());
    const heldAt = new Map<number, number>();
    const step = 30;
    for (let at = 0; at < 3_600; at += step) {
      for (const process of processes) await process.encrypt();
      await settle();
      for (const [index, process] of processes.entries()) {
        if (!heldAt.has(index) && process.dataKeys.held().branches > 1) heldAt.set(index, at);
      }
      deployment.clock.advance(step);
    }
    expect(heldAt.size).toBe(processes.length);
    const times = [...heldAt.values()];
    expect(Math.min(...times)).toBeGreaterThanOrEqual(2_700 - step);
    const bins = Map.groupBy(times, (at) => Math.floor(at / 180));
    for (const bin of bins.values()) expect(bin.length).toBeLessThanOrEqual((2 * processes.length) / 5 + 1);
    const calls = keyring.calls;
    const sealed = await Promise.all(processes.map((process) => process.encrypt()));
    expect(sealed.every(isCompact)).toBe(true);
    expect(new Set(sealed.map(branchIdOf)).size).toBe(1);
    expect(keyring.calls - calls).toBeLessThanOrEqual(2 * processes.length);
  });
});

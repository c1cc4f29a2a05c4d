import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { linesOf } from '../../src/keyring/copies/lines-of.ts';
import { readCopies } from '../../src/keyring/copies/read-copies.ts';
import { restoreCopies } from '../../src/keyring/copies/restore-copies.ts';
import { keyLine, type LinedKey } from '../../src/keyring/key-line.ts';
import { moveBranchKeys } from '../../src/operations/branches/move-branch-keys.ts';
import { CMK_V1, CMK_V2, Deployment, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';
import { MemoryKeyring } from '../support/memory-keyring.ts';

let directory: string;
let file: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copies-'));
  file = join(directory, 'branch-keys-20261126T000000000Z-0a1b2c3d.ndjson');
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

async function withMovedBranch() {
  const deployment = new Deployment();
  const { keys } = tenantRecord();
  const tenant = tenantRecord({
    keys: { ...keys, cmk: { ...(keys['cmk'] as (typeof keys)[string]), form: 'compact' } },
  });
  deployment.register(tenant);
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0 };
  const keyring = deployment.withKeyring();
  const sealed = await deployment.start().encrypt();
  const lines = keyring.rows.map(keyLine);
  deployment.vault.makeNewest(CMK_V2);
  const deps = { keyring: { keys: keyring }, dataKeys: deployment.start().dataKeys, clock: deployment.clock };
  await moveBranchKeys(deps, { tenant, atMostMs: 60_000 });
  lines.push(...keyring.rows.map(keyLine));
  return { deployment, keyring, sealed, lines };
}

describe('copies of branch keys', () => {
  test('restore the last JWE of a key, also with a thousand lines after the first one', async () => {
    const { deployment, sealed, lines } = await withMovedBranch();
    const keyring = new MemoryKeyring(deployment.clock); // no process that holds the key restores it
    const [first = '', last = ''] = lines;
    const others = Array.from({ length: 1_000 }, () => {
      const key: LinedKey = { ...(JSON.parse(first) as LinedKey), id: randomBytes(8).toString('base64url') };
      return keyLine(key);
    });
    await writeFile(file, [first, ...others, last].map((line) => `${line}\n`).join(''));
    const restored: string[] = [];
    await restoreCopies(
      {
        store: keyring,
        originKeys: { current: () => deployment.originKeys.keys },
        onRestored: async ({ kid }) => void restored.push(kid),
        onDamage: () => undefined,
      },
      directory,
    );
    expect(keyring.rows).toHaveLength(1_001);
    expect(keyring.rows.find(({ jwe }) => last.includes(jwe ?? 'no JWE'))?.kid).toBe(CMK_V2);
    expect(restored).toHaveLength(1_001);
    deployment.vault.answer = ({ kid }) => {
      if (kid === CMK_V1) throw refusal('key-disabled');
    };
    deployment.keyring = keyring;
    expect((await deployment.start().decrypt(sealed)).toString()).toBe('a value');
  });

  test('of another deployment restore nothing, and are reported', async () => {
    const { deployment, lines } = await withMovedBranch();
    const keyring = new MemoryKeyring(deployment.clock); // no process that holds the key restores it
    await writeFile(file, lines.map((line) => `${line}\n`).join(''));
    const damaged: number[] = [];
    await restoreCopies(
      {
        store: keyring,
        originKeys: { current: () => [createSecretKey(Buffer.alloc(32, 9))] },
        onRestored: async () => undefined,
        onDamage: (_file, count) => void damaged.push(count),
      },
      directory,
    );
    expect(keyring.rows).toEqual([]);
    expect(damaged).toEqual([2]);
  });
});

describe('a file of keys', () => {
  test('with 256 MiB of zeros, as a loss of power may leave it, is read in little memory', async () => {
    const { lines } = await withMovedBranch();
    await writeFile(file, `${lines[0]}\n`);
    await truncate(file, 2 ** 28);
    const before = process.memoryUsage().rss;
    const read: (LinedKey | undefined)[] = [];
    for await (const key of readCopies(file)) read.push(key);
    expect(read).toEqual([JSON.parse(lines[0] ?? ''), undefined]);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27);
  });

  test('is read with its lines at their places, whatever ends them', async () => {
    const long = 'x'.repeat(70_000);
    await writeFile(file, `ab\r\n\ncd\n${long}\nef`);
    const found = [];
    for await (const { at, bytes, isComplete } of linesOf(file)) found.push([at, bytes?.toString(), isComplete]);
    expect(found).toEqual([
      [0, 'ab', true],
      [5, 'cd', true],
      [8, undefined, true],
      [8 + long.length + 1, 'ef', false],
    ]);
  });
});

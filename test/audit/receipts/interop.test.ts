import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseCheckpoint, verifierKey } from '../../../src/audit/receipts/checkpoint.ts';
import { consistencyText, inclusionText } from '../../../src/audit/receipts/log-texts.ts';
import { consistencyProof, inclusionProof, type Tiles } from '../../../src/audit/receipts/proofs.ts';
import { MemoryKey } from '../../support/receipts.ts';
import { type Exports, makeExports, TAMPERINGS } from '../../support/tampered-export.ts';

/** The program of test/interop verifies with Go's and transparency-dev's libraries alone. */
const PROGRAM = join(import.meta.dirname, '..', '..', 'interop');
const key = new MemoryKey();

let folder: string;
let exports: Exports;
let vkey: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-interop-'));
  await promisify(execFile)('go', ['build', '-o', join(folder, 'interop'), '.'], { cwd: PROGRAM });
  exports = await makeExports(folder, key);
  const { origin = '' } = parseCheckpoint(await readFile(exports.kept, 'utf8')) ?? {};
  vkey = verifierKey(origin, key.publicKey);
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Returns what the program prints: `verified`, or what is wrong. */
const interop = (...args: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(join(folder, 'interop'), args, (_error, stdout, stderr) => resolve((stdout + stderr).trim()));
  });

/** Returns the hashes of an export, as the API reads them from the database. */
const tilesIn = (path: string): Tiles => ({
  tile: async (level, index) => {
    const at = join(path, 'tile', String(level));
    const name = String(index).padStart(3, '0');
    const [width] = await readdir(join(at, `${name}.p`)).catch(() => []);
    const bytes = await readFile(width === undefined ? join(at, name) : join(at, `${name}.p`, width));
    return Array.from({ length: bytes.length / 32 }, (_, n) => bytes.subarray(32 * n, 32 * n + 32));
  },
});

async function proofs(sequence: number): Promise<readonly string[]> {
  const note = await readFile(join(exports.latest, 'checkpoint'), 'utf8');
  const { size } = parseCheckpoint(note) ?? { size: 0 };
  const { size: from } = parseCheckpoint(await readFile(exports.kept, 'utf8')) ?? { size: 0 };
  const tiles = tilesIn(exports.latest);
  const [inclusion, consistency] = [join(folder, 'inclusion'), join(folder, 'consistency')];
  await writeFile(inclusion, inclusionText(sequence, await inclusionProof(tiles, sequence, size), note));
  await writeFile(consistency, consistencyText(from, await consistencyProof(tiles, from, size), note));
  return ['-inclusion', inclusion, '-old', exports.kept, '-consistency', consistency];
}

test("Go's sumdb and transparency-dev's libraries verify an export, its growth and the proofs of the API", async () => {
  for (const sequence of [0, 255, 256, 799]) {
    expect(await interop(exports.latest, vkey, ...(await proofs(sequence)))).toBe('verified');
  }
});

test.each(TAMPERINGS)('they find %s', async (_kind, _problem, tamper) => {
  const copy = await mkdtemp(join(folder, 'copy-'));
  await cp(exports.latest, copy, { recursive: true });
  await tamper(copy);
  expect(await interop(copy, vkey)).not.toBe('verified');
});

test('they find a fork, another key, and a proof of another entry', async () => {
  expect(await interop(exports.forked, vkey)).toBe('verified');
  expect(await interop(exports.forked, vkey, '-old', exports.kept)).not.toBe('verified');
  const [name = ''] = vkey.split('+');
  expect(await interop(exports.latest, verifierKey(name, new MemoryKey().publicKey))).not.toBe('verified');
  const [, path = ''] = await proofs(3);
  await writeFile(path, (await readFile(path, 'utf8')).replace('index 3', 'index 4'));
  expect(await interop(exports.latest, vkey, '-inclusion', path)).not.toBe('verified');
});

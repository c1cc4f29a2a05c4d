import { copyFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { verifyDirectories, verifyFile } from '../../src/audit/verify/verify-directory.ts';
import { type Directory, eventOf, START, temporaryDirectory } from '../support/chains.ts';

/** Three processes one after the other, the second killed before its close record. */
async function threeChains(): Promise<Directory> {
  const directory = await temporaryDirectory();
  for (let process = 0; process < 3; process += 1) {
    const sink = await openFileSink({ directory: directory.path, now: () => START + process });
    await Promise.all([0, 1, 2].map((n) => sink.record({ ...eventOf(n), reason: 'Grund: ä€𝄞' })));
    await sink.close();
    const file = (await directory.files()).at(-1) ?? '';
    if (process === 1) await change(directory, file, (lines) => lines.slice(0, -1));
  }
  return directory;
}

async function change(directory: Directory, file: string, edit: (lines: string[]) => string[]): Promise<void> {
  const lines = (await directory.read(file)).split(/(?<=\n)/);
  await writeFile(join(directory.path, file), edit(lines).join(''));
}

test('chains that continue one another verify, closed or not', async () => {
  await using directory = await threeChains();
  const verified = await verifyDirectories([directory.path]);
  expect(verified.map(({ file }) => file)).toEqual(await directory.files());
  expect(verified.map(({ records, closed }) => [records, closed])).toEqual([
    [5, true],
    [4, false],
    [5, true],
  ]);
  expect(verified.filter(({ firstBad, badLink }) => firstBad ?? badLink)).toEqual([]);
});

test('a chain may continue another midway, when both processes run', async () => {
  await using directory = await temporaryDirectory();
  const first = await openFileSink({ directory: directory.path, now: () => START });
  const second = await openFileSink({ directory: directory.path, now: () => START + 1 });
  await first.record(eventOf(0));
  await Promise.all([first.close(), second.close()]);
  const verified = await verifyDirectories([directory.path]);
  expect(verified.map(({ records, badLink }) => [records, badLink])).toEqual([
    [3, undefined],
    [2, undefined],
  ]);
});

test('whole records cut off a chain show in the link of the next chain', async () => {
  await using directory = await threeChains();
  const [, cut = ''] = await directory.files();
  await change(directory, cut, (lines) => lines.slice(0, -1));
  const [first, second, third] = await verifyDirectories([directory.path]);
  expect([first?.badLink, second?.badLink, second?.firstBad]).toEqual([undefined, undefined, undefined]);
  expect(third?.badLink).toEqual({ chain: second?.chain, problem: 'record-missing' });
});

test('a removed file shows in the link of the next chain', async () => {
  await using directory = await threeChains();
  const [, removed = ''] = await directory.files();
  const { chain } = await verifyFile(join(directory.path, removed));
  await rm(join(directory.path, removed));
  const verified = await verifyDirectories([directory.path]);
  expect(verified.map(({ badLink }) => badLink)).toEqual([undefined, { chain, problem: 'chain-missing' }]);
});

test('a chain under another name, copied or renamed, is reported', async () => {
  await using directory = await threeChains();
  const [first = '', second = '', third = ''] = await directory.files();
  await copyFile(join(directory.path, first), join(directory.path, 'copy.ndjson'));
  await rename(join(directory.path, third), join(directory.path, second));
  const verified = await verifyDirectories([directory.path]);
  const bad = { line: 1, sequence: 0, problem: 'wrong-file-name' };
  expect(verified.map(({ firstBad }) => firstBad)).toEqual([undefined, bad, bad]);
});

test('bytes that only a lenient decoder accepts as the same text are reported', async () => {
  await using directory = await temporaryDirectory();
  const sink = await openFileSink({ directory: directory.path, now: () => START });
  await sink.record({ ...eventOf(0), reason: '\ufffd' });
  await sink.close();
  const [file = ''] = await directory.files();
  const path = join(directory.path, file);
  const bytes = Buffer.from(await directory.read(file));
  expect((await verifyFile(path)).firstBad).toBeUndefined();

  const at = bytes.indexOf('\ufffd');
  await writeFile(path, Buffer.concat([bytes.subarray(0, at), Buffer.of(0xff), bytes.subarray(at + 3)]));
  expect((await verifyFile(path)).firstBad).toEqual({ line: 2, problem: 'not-json' });

  await writeFile(path, Buffer.concat([Buffer.from('\ufeff'), bytes]));
  expect((await verifyFile(path)).firstBad).toEqual({ line: 1, problem: 'not-json' });
});

test('lines across the blocks of a large file are joined, and an endless one is abandoned', async () => {
  await using directory = await temporaryDirectory();
  const sink = await openFileSink({ directory: directory.path, now: () => START });
  await Promise.all(Array.from({ length: 1000 }, (_, n) => sink.record({ ...eventOf(n), reason: 'ä'.repeat(n) })));
  await sink.close();
  const [file = ''] = await directory.files();
  expect(await verifyFile(join(directory.path, file))).toMatchObject({ records: 1002, closed: true });
  await change(directory, file, (lines) => [...lines, 'x'.repeat(3 * 1024 * 1024)]);
  expect((await verifyFile(join(directory.path, file))).firstBad).toEqual({ line: 1003, problem: 'not-json' });
});

test('an aborted check rejects instead of reporting a part', async () => {
  await using directory = await threeChains();
  await expect(verifyDirectories([directory.path], { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  });
});

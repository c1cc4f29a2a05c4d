import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseChainFileName } from '../../src/audit/chain/chain-files.ts';
import { filesOnDisk } from '../../src/audit/chain/chain-log.ts';
import { type FileSinkOptions, openFileSink } from '../../src/audit/chain/file-sink.ts';
import { verifyDirectories, verifyFile } from '../../src/audit/verify/verify-directory.ts';
import { eventOf, START, temporaryDirectory } from '../support/chains.ts';
import { PlannedFile, recordEvents, recordsOf, requestsOf } from '../support/planned-file.ts';

const DAY_MS = 86_400_000;

async function openSmall(change: Partial<FileSinkOptions> = {}) {
  const directory = await temporaryDirectory();
  const sink = await openFileSink({ directory: directory.path, maxFileBytes: 1000, retryMs: 3_600_000, ...change });
  const texts = async () => Promise.all((await directory.files()).map(directory.read));
  return { directory, sink, texts, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

test('a file at its size limit is followed by the next part, whose first record has the hash of the last', async () => {
  await using small = await openSmall();
  for (let n = 0; n < 12; n += 1) await small.sink.record(eventOf(n));
  await small.sink.close();
  const files = (await small.directory.files()).map(parseChainFileName);
  expect(files.map((file) => [file?.chain, file?.part])).toEqual(files.map((_, at) => [small.sink.chain, at + 1]));
  expect(files.length).toBeGreaterThan(3);
  const texts = await small.texts();
  expect(texts.slice(0, -1).every((text) => text.length >= 1000 && text.length < 2000)).toBe(true);
  expect(texts.flatMap(requestsOf)).toEqual(Array.from({ length: 12 }, (_, n) => `request-${n}`));
  const [chain, ...others] = await verifyDirectories([small.directory.path]);
  expect(others).toEqual([]);
  expect(chain).toMatchObject({ records: 14, closed: true, files: files.length });
  expect(chain).not.toHaveProperty('firstBad');
});

test('each UTC day has a file of its own, and a clock that is set back does not create one', async () => {
  let at = START;
  await using small = await openSmall({ maxFileBytes: 1_000_000, now: () => at });
  await small.sink.record(eventOf(0));
  at = START + DAY_MS;
  await small.sink.record(eventOf(1));
  at = START;
  await small.sink.record(eventOf(2));
  await small.sink.close();
  const [first = '', second = ''] = await small.texts();
  expect([first, second].map(requestsOf)).toEqual([['request-0'], ['request-1', 'request-2']]);
  expect(recordsOf(second).map((record) => record['at'])).toEqual(
    Array(3).fill(new Date(START + DAY_MS).toISOString()),
  );
  expect((await small.directory.files()).map((name) => name.slice(0, 8))).toEqual(['20261122', '20261123']);
});

test('records that arrive during a rotation wait for it, and none is lost or out of order', async () => {
  await using small = await openSmall();
  const accepted: Promise<void>[] = [];
  for (let n = 0; n < 400; n += 1) {
    accepted.push(small.sink.record(eventOf(n)));
    if (n % 7 === 0) await new Promise(setImmediate);
  }
  await Promise.all(accepted);
  await small.sink.close();
  expect((await small.texts()).flatMap(requestsOf)).toEqual(Array.from({ length: 400 }, (_, n) => `request-${n}`));
  expect((await verifyDirectories([small.directory.path]))[0]).toMatchObject({ records: 402, closed: true });
});

test('a failed rotation refuses, keeps the existing records, and is retried', async () => {
  let failure: string | undefined;
  const onDisk = filesOnDisk();
  await using small = await openSmall({
    createFile: async (path, durability) => {
      if (failure !== undefined) throw Object.assign(new Error(failure), { code: failure });
      return onDisk(path, durability);
    },
  });
  await Promise.all(recordEvents(small.sink, 0, 6));
  failure = 'ENOSPC';
  await expect(small.sink.record(eventOf(6))).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(small.sink.trouble()).toContain('ENOSPC');
  failure = undefined;
  await small.sink.record(eventOf(7));
  expect(small.sink.trouble()).toBeUndefined();
  await small.sink.close();
  const [chain] = await verifyDirectories([small.directory.path]);
  expect(chain).toMatchObject({ files: 2, closed: true });
  expect(chain).not.toHaveProperty('firstBad');
});

test('a torn line is repaired before the chain continues in another file', async () => {
  const files: PlannedFile[] = [];
  let at = START;
  await using small = await openSmall({
    now: () => at,
    createFile: async () => {
      const file = new PlannedFile();
      files.push(file);
      return file;
    },
  });
  const [first] = files;
  if (first) first.plan = [{ takes: 30, error: 'ENOSPC' }];
  await expect(small.sink.record(eventOf(0))).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(first?.text.endsWith('\n')).toBe(false);
  at += DAY_MS;
  if (first) first.truncateError = 'EIO';
  await expect(small.sink.record(eventOf(1))).rejects.toMatchObject({ cause: { code: 'EIO' } });
  expect(files).toHaveLength(1);
  if (first) first.truncateError = undefined;
  await small.sink.record(eventOf(2));
  await small.sink.close();
  expect(files.map(({ text }) => requestsOf(text))).toEqual([[], ['request-2']]);
  expect(first?.text.endsWith('\n')).toBe(true);
});

test('with fsync a record is accepted once the disk has it; records that it may lack are written again', async () => {
  const file = new PlannedFile();
  await using small = await openSmall({ durability: 'fsync', maxFileBytes: 1e6, createFile: async () => file });
  expect(file.syncs).toBe(1);
  await Promise.all(recordEvents(small.sink, 0, 5));
  expect(file.syncs).toBeLessThanOrEqual(3);
  const whole = file.text;
  file.syncError = 'EIO';
  await expect(small.sink.record(eventOf(5))).rejects.toMatchObject({ cause: { code: 'EIO' } });
  expect(small.sink.position().bytes).toBe(whole.length);
  file.syncError = undefined;
  await small.sink.record(eventOf(6));
  await small.sink.close();
  expect(file.text.startsWith(whole)).toBe(true);
  expect(requestsOf(file.text)).toEqual([...requestsOf(whole), 'request-6']);
});

test('without fsync no record waits for the disk', async () => {
  const file = new PlannedFile();
  await using small = await openSmall({ maxFileBytes: 1e6, createFile: async () => file });
  await small.sink.record(eventOf(0));
  await small.sink.close();
  expect(file.syncs).toBe(0);
});

test('a limit refuses records while it applies, and the refusals are recorded after it', async () => {
  let limit: string | undefined = 'the spool is full';
  await using small = await openSmall({ limit: () => limit, retryMs: 1, maxFileBytes: 1e6 });
  await expect(small.sink.record(eventOf(0))).rejects.toMatchObject({ code: 'audit-unavailable', reason: 'backlog' });
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(small.sink.trouble()).toBe('the spool is full');
  limit = undefined;
  while (small.sink.trouble() !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  await small.sink.close();
  const [text = ''] = await small.texts();
  expect(recordsOf(text)).toMatchObject([{ type: 'open' }, { operation: 'audit', count: 1 }, { type: 'close' }]);
});

test('one part alone is checked from its beginning', async () => {
  await using small = await openSmall();
  for (let n = 0; n < 6; n += 1) await small.sink.record(eventOf(n));
  await small.sink.close();
  const [, second = ''] = await small.directory.files();
  const verified = await verifyFile(join(small.directory.path, second));
  expect(verified).toMatchObject({ file: second, begins: { sequence: expect.any(Number) } });
  expect(verified).not.toHaveProperty('firstBad');
});

import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { hashLine } from '../../src/audit/chain/chain.ts';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { verifyChain } from '../../src/audit/verify/verify.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { eventOf, linesOf, START, temporaryDirectory } from '../support/chains.ts';
import { openPlanned, PlannedFile, recordEvents, recordsOf, requestsOf } from '../support/planned-file.ts';

test('10,000 records of concurrent callers verify, are in order and need few writes', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  await Promise.all(recordEvents(sink, 0, 10_000));
  await sink.close();
  expect(requestsOf(file.text)).toEqual(Array.from({ length: 10_000 }, (_, n) => `request-${n}`));
  expect(file.writes).toBeLessThan(20);
  expect(await verifyChain(linesOf(file.text))).toMatchObject({ records: 10_002, closed: true });
});

test('a record resolves only after the write that contains it', async () => {
  await using directory = await temporaryDirectory();
  const file = new PlannedFile();
  const gate = Promise.withResolvers<void>();
  const createFile = async () => ({
    write: async (bytes: Uint8Array) => {
      if (file.writes > 0) await gate.promise;
      return file.write(bytes);
    },
    truncate: (length: number) => file.truncate(length),
    datasync: () => file.datasync(),
    interference: () => file.interference(),
    close: () => file.close(),
  });
  const sink = await openFileSink({ directory: directory.path, createFile });
  const written: unknown[][] = [];
  const recorded = recordEvents(sink, 0, 3).map((accepted) => accepted.then(() => written.push(requestsOf(file.text))));
  await new Promise(setImmediate);
  expect(written).toEqual([]);
  gate.resolve();
  await Promise.all(recorded);
  expect(written[0]).toContain('request-0');
  expect(written[2]).toEqual(['request-0', 'request-1', 'request-2']);
  await sink.close();
});

test('a sink on disk makes a private file named for its start and its chain', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'a', 'b');
  const sink = await openFileSink({ directory: path, now: () => START });
  await sink.record(eventOf(0));
  await sink.close();
  const [verified] = await verifyDirectories([path]);
  expect(verified).toEqual({
    file: `20261122T083000125Z-${verified?.chain}-000001.ndjson`,
    chain: verified?.chain,
    records: 3,
    closed: true,
  });
  expect((await stat(path)).mode & 0o777).toBe(0o700);
  expect((await stat(join(path, verified?.file ?? ''))).mode & 0o777).toBe(0o600);
});

test('a new chain continues the last whole line of the newest one, and skips torn and empty files', async () => {
  await using directory = await temporaryDirectory();
  let at = START;
  const openNext = () => openFileSink({ directory: directory.path, now: () => at });
  const first = await openNext();
  await first.record(eventOf(0));
  const [file = ''] = await directory.files();
  const whole = await directory.read(file);
  await writeFile(join(directory.path, file), '{"chain":"', { flag: 'a' });
  await writeFile(join(directory.path, '20261122T083000200Z-6f1c0f5e-6a52-4a53-9a86-0c5b3f1c7d10-000001.ndjson'), '');
  await writeFile(join(directory.path, 'zzz.txt'), 'something else\n');
  at += 1000;
  const second = await openNext();
  await second.close();
  const [, , opened = ''] = await directory.files();
  const lines = whole.split('\n');
  expect(recordsOf(await directory.read(opened))[0]).toMatchObject({
    type: 'open',
    continues: hashLine(lines.at(-2) ?? ''),
    continuesChain: recordsOf(whole)[0]?.['chain'],
    continuesSequence: 1,
  });
  expect(await directory.read(file)).toBe(`${whole}{"chain":"`);
  await first.close();
});

test('the last line is found when it is longer than a block of the file', async () => {
  await using directory = await temporaryDirectory();
  let at = START;
  const first = await openFileSink({ directory: directory.path, now: () => at });
  await first.record({ ...eventOf(0), reason: 'x'.repeat(200_000) });
  at += 1000;
  await (await openFileSink({ directory: directory.path, now: () => at })).close();
  await first.close();
  expect(await verifyDirectories([directory.path])).toMatchObject([{ records: 3 }, { records: 2 }]);
  expect((await verifyDirectories([directory.path])).some(({ badLink, firstBad }) => badLink ?? firstBad)).toBe(false);
});

test('the first chain of a directory continues no other', async () => {
  await using planned = await openPlanned();
  expect(recordsOf(planned.file.text)[0]).not.toHaveProperty('continues');
  await planned.sink.close();
});

test('close writes the waiting records, then the close record; later records are refused', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  const accepted = recordEvents(sink, 0, 50);
  const closing = sink.close();
  await expect(sink.record(eventOf(50))).rejects.toMatchObject({ code: 'audit-unavailable', reason: 'closed' });
  await Promise.all([...accepted, closing, sink.close()]);
  expect(requestsOf(file.text)).toHaveLength(50);
  expect(recordsOf(file.text).at(-1)).toMatchObject({ type: 'close' });
  expect(file.isClosed).toBe(true);
  expect(sink.trouble()).toBeDefined();
});

test("a directory that cannot be written fails at opening, with the system's own reason", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'taken');
  await writeFile(path, '');
  await expect(openFileSink({ directory: path })).rejects.toMatchObject({ code: 'EEXIST' });
});

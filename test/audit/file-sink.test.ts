import { open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hashLine } from '../../src/audit/chain.ts';
import { openFileSink } from '../../src/audit/file-sink.ts';
import type { AuditSink } from '../../src/audit/sink.ts';
import { verifyChain } from '../../src/audit/verify.ts';
import { verifyDirectory } from '../../src/audit/verify-directory.ts';
import { eventOf, linesOf, PlannedFile, START, temporaryDirectory, type Write } from './chains.ts';

const recordsOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

const requestsOf = (text: string): unknown[] =>
  recordsOf(text)
    .filter(({ operation }) => operation === 'encrypt')
    .map(({ requestId }) => requestId);

const record = (sink: AuditSink, from: number, to: number): Promise<void>[] =>
  Array.from({ length: to - from }, (_, index) => sink.record(eventOf(from + index)));

async function openPlanned(retryMs = 3_600_000) {
  const directory = await temporaryDirectory();
  const file = new PlannedFile();
  const sink = await openFileSink({ directory: directory.path, createFile: async () => file, retryMs });
  return { sink, file, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

test('10,000 records of concurrent callers verify, stand in order and take few writes', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  await Promise.all(record(sink, 0, 10_000));
  await sink.close();
  expect(requestsOf(file.text)).toEqual(Array.from({ length: 10_000 }, (_, n) => `request-${n}`));
  expect(file.writes).toBeLessThan(20);
  expect(await verifyChain(linesOf(file.text))).toMatchObject({ records: 10_002, closed: true });
});

test('a record resolves only after the write that holds it', async () => {
  await using directory = await temporaryDirectory();
  const file = new PlannedFile();
  const gate = Promise.withResolvers<void>();
  const createFile = async () => ({
    write: async (bytes: Uint8Array) => {
      if (file.writes > 0) await gate.promise;
      return file.write(bytes);
    },
    truncate: (length: number) => file.truncate(length),
    close: () => file.close(),
  });
  const sink = await openFileSink({ directory: directory.path, createFile });
  const written: unknown[][] = [];
  const recorded = record(sink, 0, 3).map((accepted) => accepted.then(() => written.push(requestsOf(file.text))));
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
  const [verified] = await verifyDirectory(path);
  expect(verified).toEqual({
    file: `20261122T083000125Z-${verified?.chain}.ndjson`,
    chain: verified?.chain,
    records: 3,
    closed: true,
  });
  expect((await stat(path)).mode & 0o777).toBe(0o700);
  expect((await stat(join(path, verified?.file ?? ''))).mode & 0o777).toBe(0o600);
});

test('a new chain continues the last whole line of the newest one, past torn and empty files', async () => {
  await using directory = await temporaryDirectory();
  let at = START;
  const openNext = () => openFileSink({ directory: directory.path, now: () => at });
  const first = await openNext();
  await first.record(eventOf(0));
  const [file = ''] = await directory.files();
  const whole = await directory.read(file);
  await writeFile(join(directory.path, file), '{"chain":"', { flag: 'a' });
  await writeFile(join(directory.path, '20261122T083000200Z-6f1c0f5e-6a52-4a53-9a86-0c5b3f1c7d10.ndjson'), '');
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
  expect(await verifyDirectory(directory.path)).toMatchObject([{ records: 3 }, { records: 2 }]);
  expect((await verifyDirectory(directory.path)).some(({ badLink, firstBad }) => badLink ?? firstBad)).toBe(false);
});

test('the first chain of a directory continues nothing', async () => {
  await using planned = await openPlanned();
  expect(recordsOf(planned.file.text)[0]).not.toHaveProperty('continues');
  await planned.sink.close();
});

test('a full disk refuses the group with audit-unavailable, and the next record mends the file', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  await sink.record(eventOf(0));
  expect(sink.trouble()).toBeUndefined();
  file.plan = [{ takes: 100 }, { takes: 20, error: 'ENOSPC' }];
  await expect(sink.record(eventOf(1))).rejects.toMatchObject({
    name: 'ServiceError',
    code: 'audit-unavailable',
    reason: 'write-failed',
    retryAfter: 5,
    cause: { code: 'ENOSPC' },
  });
  expect(sink.trouble()).toContain('ENOSPC');
  expect(file.text.endsWith('\n')).toBe(false);
  await sink.record(eventOf(2));
  expect(sink.trouble()).toBeUndefined();
  await sink.close();
  expect(requestsOf(file.text)).toEqual(['request-0', 'request-2']);
  expect(await verifyChain(linesOf(file.text))).toMatchObject({ records: 5, closed: true });
});

test('a file that can not be mended refuses records until it can', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  file.plan = [{ takes: 7, error: 'EIO' }];
  file.truncateError = 'EROFS';
  await expect(sink.record(eventOf(0))).rejects.toMatchObject({ cause: { code: 'EIO' } });
  await expect(sink.record(eventOf(1))).rejects.toMatchObject({ cause: { code: 'EROFS' } });
  expect(sink.trouble()).toContain('EROFS');
  file.truncateError = undefined;
  await sink.record(eventOf(2));
  await sink.close();
  expect(await verifyChain(linesOf(file.text))).toMatchObject({ records: 4, closed: true });
});

test('a write that takes no byte fails instead of looping', async () => {
  await using planned = await openPlanned();
  planned.file.plan = [{ takes: 0 }];
  await expect(planned.sink.record(eventOf(0))).rejects.toMatchObject({ code: 'audit-unavailable' });
  await planned.sink.close();
});

test('the sink ends its trouble without any caller and notes how many were refused', async () => {
  await using planned = await openPlanned(1);
  const { sink, file } = planned;
  file.plan = [{ error: 'ENOSPC' }, { error: 'ENOSPC' }, { error: 'ENOSPC' }];
  const outcomes = await Promise.allSettled([sink.record({ ...eventOf(0), count: 5 }), sink.record(eventOf(1))]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  while (sink.trouble() !== undefined) await new Promise(setImmediate);
  await sink.close();
  expect(recordsOf(file.text)).toMatchObject([
    { type: 'open' },
    { operation: 'audit', outcome: 'failed', code: 'audit-unavailable', count: 6 },
    { type: 'close' },
  ]);
});

test('close writes what waits, then the close record; records after it are refused', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  const accepted = record(sink, 0, 50);
  const closing = sink.close();
  await expect(sink.record(eventOf(50))).rejects.toMatchObject({ code: 'audit-unavailable', reason: 'closed' });
  await Promise.all([...accepted, closing, sink.close()]);
  expect(requestsOf(file.text)).toHaveLength(50);
  expect(recordsOf(file.text).at(-1)).toMatchObject({ type: 'close' });
  expect(file.isClosed).toBe(true);
  expect(sink.trouble()).toBeDefined();
});

test('close on a full disk rejects, closes the file and leaves whole lines', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  await sink.record(eventOf(0));
  file.plan = [{ takes: 30, error: 'ENOSPC' }];
  await expect(sink.close()).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(file.isClosed).toBe(true);
  expect(await verifyChain(linesOf(file.text))).toMatchObject({ records: 2, closed: false });
});

test('a chain whose open record can not be written does not begin', async () => {
  await using directory = await temporaryDirectory();
  const file = new PlannedFile();
  file.plan = [{ takes: 3, error: 'ENOSPC' }];
  await expect(openFileSink({ directory: directory.path, createFile: async () => file })).rejects.toMatchObject({
    code: 'ENOSPC',
  });
  expect(file.isClosed).toBe(true);
});

test('a file handle closed underneath the sink refuses, with the reason', async () => {
  await using directory = await temporaryDirectory();
  const handles: Awaited<ReturnType<typeof open>>[] = [];
  const createFile = async (path: string) => {
    const handle = await open(path, 'ax');
    handles.push(handle);
    return handle;
  };
  const sink = await openFileSink({ directory: directory.path, createFile, retryMs: 3_600_000 });
  await handles[0]?.close();
  await expect(sink.record(eventOf(0))).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(sink.trouble()).toContain('EBADF');
  await sink.close().catch(() => undefined);
});

test('property: whatever writes do, the chain holds and has each accepted record once, in order', async () => {
  const write: fc.Arbitrary<Write> = fc.record(
    { takes: fc.integer({ min: 1, max: 900 }), error: fc.constantFrom('ENOSPC', 'EIO') },
    { requiredKeys: [] },
  );
  const waves = fc.array(fc.record({ size: fc.integer({ min: 1, max: 6 }), plan: fc.array(write, { maxLength: 4 }) }), {
    maxLength: 8,
  });
  await using directory = await temporaryDirectory();
  await fc.assert(
    fc.asyncProperty(waves, async (steps) => {
      const file = new PlannedFile();
      const sink = await openFileSink({ directory: directory.path, createFile: async () => file, retryMs: 3_600_000 });
      const accepted: string[] = [];
      let next = 0;
      for (const { size, plan } of steps) {
        file.plan = plan;
        const outcomes = await Promise.allSettled(record(sink, next, next + size));
        for (const [index, { status }] of outcomes.entries()) {
          if (status === 'fulfilled') accepted.push(`request-${next + index}`);
        }
        next += size;
      }
      file.plan = [];
      await sink.close();
      const chain = await verifyChain(linesOf(file.text));
      expect(chain.firstBad).toBeUndefined();
      expect(chain.closed).toBe(true);
      const requests = requestsOf(file.text);
      expect(new Set(requests).size).toBe(requests.length);
      expect(requests.filter((id) => accepted.includes(String(id)))).toEqual(accepted);
    }),
  );
});

test('a directory that can not be written fails at opening, with the system’s own reason', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'taken');
  await writeFile(path, '');
  await expect(openFileSink({ directory: path })).rejects.toMatchObject({ code: 'EEXIST' });
});

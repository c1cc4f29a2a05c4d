import { open } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { verifyChain } from '../../src/audit/verify/verify.ts';
import { eventOf, linesOf, temporaryDirectory } from '../support/chains.ts';
import { openPlanned, PlannedFile, recordEvents, recordsOf, requestsOf, type Write } from '../support/planned-file.ts';

test('a full disk refuses the group with audit-unavailable, and the next record repairs the file', async () => {
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

test('a file that cannot be repaired refuses records until it can', async () => {
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

test('a write of zero bytes fails instead of looping', async () => {
  await using planned = await openPlanned();
  planned.file.plan = [{ takes: 0 }];
  await expect(planned.sink.record(eventOf(0))).rejects.toMatchObject({ code: 'audit-unavailable' });
  await planned.sink.close();
});

test('the sink recovers without any caller and records how many were refused', async () => {
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

test('close on a full disk rejects, closes the file and leaves whole lines', async () => {
  await using planned = await openPlanned();
  const { sink, file } = planned;
  await sink.record(eventOf(0));
  file.plan = [{ takes: 30, error: 'ENOSPC' }];
  await expect(sink.close()).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(file.isClosed).toBe(true);
  expect(await verifyChain(linesOf(file.text))).toMatchObject({ records: 2, closed: false });
});

test('a chain whose open record cannot be written does not begin', async () => {
  await using directory = await temporaryDirectory();
  const file = new PlannedFile();
  file.plan = [{ takes: 3, error: 'ENOSPC' }];
  await expect(openFileSink({ directory: directory.path, createFile: async () => file })).rejects.toMatchObject({
    code: 'ENOSPC',
  });
  expect(file.isClosed).toBe(true);
});

test('after its file handle was closed, the sink refuses with the reason', async () => {
  await using directory = await temporaryDirectory();
  const handles: Awaited<ReturnType<typeof open>>[] = [];
  const createFile = async (path: string) => {
    const handle = await open(path, 'ax');
    handles.push(handle);
    return Object.assign(handle, { interference: () => undefined });
  };
  const sink = await openFileSink({ directory: directory.path, createFile, retryMs: 3_600_000 });
  await handles[0]?.close();
  await expect(sink.record(eventOf(0))).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(sink.trouble()).toContain('EBADF');
  await sink.close().catch(() => undefined);
});

test('property: whatever writes do, the chain is valid and has each accepted record once, in order', async () => {
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
        const outcomes = await Promise.allSettled(recordEvents(sink, next, next + size));
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

import { appendFile, copyFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type FileSinkOptions, openFileSink } from '../../src/audit/chain/file-sink.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { eventOf, temporaryDirectory } from '../support/chains.ts';
import { recordEvents, requestsOf } from '../support/planned-file.ts';
import { until } from '../support/until.ts';

async function openSink(change: Partial<FileSinkOptions> = {}) {
  const directory = await temporaryDirectory();
  const seen: string[] = [];
  const sink = await openFileSink({
    directory: directory.path,
    retryMs: 5,
    onInterference: (name, interference) => seen.push(`${name} ${interference}`),
    ...change,
  });
  await Promise.all(recordEvents(sink, 0, 5));
  const { name } = sink.position();
  return {
    directory,
    sink,
    seen,
    name,
    path: join(directory.path, name),
    requests: async () => (await Promise.all((await directory.files()).map(directory.read))).flatMap(requestsOf),
    [Symbol.asyncDispose]: async () => {
      await sink.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}
type Opened = Awaited<ReturnType<typeof openSink>>;

const WAYS: readonly (readonly [seen: string, interfere: (log: Opened) => Promise<unknown>])[] = [
  ['removed', ({ path }) => rm(path)],
  ['removed', ({ directory }) => rm(directory.path, { recursive: true })],
  [
    'replaced',
    async ({ path }) => {
      await copyFile(path, `${path}.copy`);
      await rename(`${path}.copy`, path);
    },
  ],
  ['truncated', ({ path }) => truncate(path, 100)],
  ['truncated', ({ path }) => writeFile(path, '')],
  ['written by another', ({ path }) => appendFile(path, 'a line\n')],
];

test.each(WAYS)('the next record detects a file that is %s, and another file gets it', async (seen, interfere) => {
  await using log = await openSink();
  await interfere(log);
  await log.sink.record(eventOf(5));
  expect(log.seen).toEqual([`${log.name} ${seen}`]);
  expect([log.sink.interferences(), log.sink.trouble(), log.sink.position().part]).toEqual([1, undefined, 2]);
  const { name } = log.sink.position();
  expect(requestsOf(await log.directory.read(name))).toEqual(['request-5']);
  await log.sink.record(eventOf(6));
  expect(requestsOf(await log.directory.read(name))).toEqual(['request-5', 'request-6']);
});

test('no record is accepted until a file exists again', async () => {
  await using log = await openSink();
  await rm(log.directory.path, { recursive: true });
  await writeFile(log.directory.path, 'no directory');
  await expect(log.sink.record(eventOf(5))).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(log.sink.trouble()).toContain('EEXIST');
  await rm(log.directory.path);
  await until(() => log.sink.trouble() === undefined);
  await log.sink.record(eventOf(6));
  expect(await log.requests()).toEqual(['request-6']);
});

test('a directory that was moved away verifies together with its successor', async () => {
  await using log = await openSink();
  const moved = `${log.directory.path}-moved`;
  await using _moved = { [Symbol.asyncDispose]: () => rm(moved, { recursive: true }) };
  await rename(log.directory.path, moved);
  await Promise.all(recordEvents(log.sink, 5, 9));
  await log.sink.close();
  const [chain, ...others] = await verifyDirectories([moved, log.directory.path]);
  expect(others).toEqual([]);
  expect(chain).toMatchObject({ records: 11, closed: true, files: 2 });
  expect(chain).not.toHaveProperty('firstBad');
  expect(await verifyDirectories([log.directory.path])).toMatchObject([{ firstBad: { problem: 'start-missing' } }]);
});

test('an idle process detects it too, by its heartbeat', async () => {
  await using log = await openSink({ heartbeatMs: 5 });
  await rm(log.path);
  await until(() => log.seen.length > 0);
  expect(log.seen).toEqual([`${log.name} removed`]);
});

test('heartbeats during writes do not report interference', async () => {
  await using log = await openSink({ heartbeatMs: 1 });
  for (let n = 5; n < 300; n += 1) await log.sink.record(eventOf(n));
  expect(log.seen).toEqual([]);
});

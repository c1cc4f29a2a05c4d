import { appendFile, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { removeOldFiles } from '../../src/audit/retention/old-files.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { type Directory, eventOf, START, temporaryDirectory } from '../support/chains.ts';
import { recordsOf } from '../support/planned-file.ts';

const DAY_MS = 86_400_000;
const NOW = START + 10 * DAY_MS;

/** Gives every file the age of its day: the test's clock is not the disk's. */
async function age(directory: Directory): Promise<void> {
  for (const name of await directory.files()) {
    const at = Date.parse(`${name.slice(0, 4)}-${name.slice(4, 6)}-${name.slice(6, 8)}T23:00:00Z`) / 1000;
    await utimes(join(directory.path, name), at, at);
  }
}

/**
 * Writes a process that ended on the first day, and one that ran on each of ten days and still
 * runs.
 */
async function tenDays() {
  const directory = await temporaryDirectory();
  let at = START;
  const first = await openFileSink({ directory: directory.path, now: () => at });
  await first.record(eventOf(0));
  await first.close();
  const sink = await openFileSink({ directory: directory.path, now: () => at });
  for (; at <= NOW; at += DAY_MS) await sink.record(eventOf(1));
  at = NOW;
  await age(directory);
  return {
    directory,
    sink,
    verify: () => verifyDirectories([directory.path]),
    remove: (days: number) => removeOldFiles({ directory: directory.path, sink, days }, NOW),
    [Symbol.asyncDispose]: async () => {
      await sink.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test('files older than the retention are removed, and the chain records it', async () => {
  await using log = await tenDays();
  const before = await log.directory.files();
  const removed = await log.remove(3);
  const left = await log.directory.files();
  expect(removed).toHaveLength(8);
  expect([...removed, ...left].sort()).toEqual(before);
  const [running, ...others] = await log.verify();
  expect(others).toEqual([]); // all of the first process's chain is removed
  expect(running).toMatchObject({ removed: 'retention', begins: { sequence: expect.any(Number) }, files: left.length });
  expect(running).not.toHaveProperty('firstBad');
  expect(running).not.toHaveProperty('badLink');
});

test('newer files stay, and so do the current file and one that a living process touches', async () => {
  await using log = await tenDays();
  expect(await log.remove(30)).toEqual([]);
  const [oldest = ''] = await log.directory.files();
  await utimes(join(log.directory.path, oldest), NOW / 1000, NOW / 1000);
  expect(await log.remove(3)).not.toContain(oldest);
  await removeOldFiles({ directory: log.directory.path, sink: log.sink, days: 1 }, NOW + 99 * DAY_MS);
  expect(await log.directory.files()).toContain(log.sink.position().name);
});

test('a file that another program removed is distinguished from one past its retention', async () => {
  await using log = await tenDays();
  await log.remove(5);
  const [oldest = '', next = ''] = await log.directory.files();
  await rm(join(log.directory.path, oldest));
  expect(await log.verify()).toMatchObject([{ firstBad: { problem: 'start-missing', line: 1 } }]);
  await rm(join(log.directory.path, next));
  expect(await log.verify()).toMatchObject([{ firstBad: { problem: 'start-missing' } }]);
});

test('a cut end before the remaining files is reported, whatever retention removed', async () => {
  await using log = await tenDays();
  await log.remove(5);
  const files = await log.directory.files();
  await rm(join(log.directory.path, files.at(2) ?? ''));
  expect((await log.verify())[0]?.firstBad).toMatchObject({ file: files.at(3), line: 1, problem: 'wrong-sequence' });
});

test('a removal record that is removed itself is repeated while it explains what remains', async () => {
  await using log = await tenDays();
  // An idle process, whose one file stays: its chain continues the other's.
  const idle = await openFileSink({ directory: log.directory.path, now: () => NOW });
  await log.remove(3);
  let at = NOW + 17 * DAY_MS;
  const last = await openFileSink({ directory: log.directory.path, now: () => at });
  await log.sink.close();
  await age(log.directory);
  const old = await log.directory.files();
  for (let day = 0; day < 3; day += 1) {
    at += DAY_MS;
    await last.record(eventOf(day));
  }
  const names = [idle.position().name, ...(await log.directory.files()).filter((name) => name.includes(last.chain))];
  for (const name of names) await utimes(join(log.directory.path, name), at / 1000, at / 1000);
  at += 1;
  const removed = await removeOldFiles({ directory: log.directory.path, sink: last, days: 3 }, at);
  expect(removed).toEqual(old.filter((name) => !names.includes(name)));
  const verified = await log.verify();
  expect(verified.filter(({ firstBad, badLink }) => firstBad ?? badLink)).toEqual([]);
  const notes = recordsOf(await log.directory.read(last.position().name)).filter(({ type }) => type === 'removed');
  expect(notes.map(({ removed: note }) => (note as { readonly chain: string }).chain)).toContain(log.sink.chain);
  await Promise.all([idle.close(), last.close()]);
});

test('removal records do not accumulate: the one that reaches furthest covers a whole chain', async () => {
  await using directory = await temporaryDirectory();
  let at = START;
  const sink = await openFileSink({ directory: directory.path, now: () => at });
  for (let day = 0; day < 30; day += 1) {
    at = START + day * DAY_MS;
    await sink.record(eventOf(day));
    await age(directory);
    await removeOldFiles({ directory: directory.path, sink, days: 2 }, at);
  }
  const texts = await Promise.all((await directory.files()).map(directory.read));
  expect(texts.length).toBeLessThan(5);
  for (const text of texts) expect(recordsOf(text).filter(({ type }) => type === 'removed').length).toBeLessThan(2);
  expect(await verifyDirectories([directory.path])).toMatchObject([{ removed: 'retention' }]);
  await sink.close();
});

test('a file whose last line is no record stays, because its end is unknown', async () => {
  await using log = await tenDays();
  const [oldest = ''] = await log.directory.files();
  await appendFile(join(log.directory.path, oldest), 'nonsense\n');
  await age(log.directory);
  expect(await log.remove(3)).not.toContain(oldest);
});

test('a file stays when its removal cannot be recorded', async () => {
  await using log = await tenDays();
  await log.sink.close();
  const before = await log.directory.files();
  await expect(log.remove(3)).rejects.toMatchObject({ code: 'audit-unavailable' });
  expect(await log.directory.files()).toEqual(before);
});

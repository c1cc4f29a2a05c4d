import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import type { ParsedRecord } from '../../src/audit/chain/parse-record.ts';
import { fileRecords } from '../../src/audit/pages/file-records.ts';
import type { RecordPage, RecordQuery } from '../../src/audit/pages/record-page.ts';
import { type Directory, eventOf, START, temporaryDirectory } from '../support/chains.ts';

const EVENTS = 3_000;

/**
 * Two concurrent processes, one with small files and one with a single large file, and a third one
 * after them.
 */
let log: Directory;
let all: ParsedRecord[];
beforeAll(async () => {
  log = await temporaryDirectory();
  let at = START;
  const open = (maxFileBytes: number) => openFileSink({ directory: log.path, maxFileBytes, now: () => at });
  const [small, large] = await Promise.all([open(20_000), open(100_000_000)]);
  for (let n = 0; n < EVENTS; n += 1) {
    if (n % 3 > 0) at += 1; // sometimes at the same time
    await (n % 2 === 0 ? small : large).record({ ...eventOf(n), reason: n % 500 === 0 ? 'x'.repeat(100_000) : 'why' });
  }
  await Promise.all([small.close(), large.close()]);
  at += 1000;
  const last = await open(100_000);
  for (let n = 0; n < 20; n += 1) await last.record(eventOf(n));
  await last.close();
  for (const name of await log.files()) await utimes(join(log.path, name), at / 1000, at / 1000);
  const texts = await Promise.all((await log.files()).map(log.read));
  all = texts
    .flatMap((text) => text.split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as ParsedRecord)
    .sort((a, b) =>
      a.at === b.at
        ? a.chain === b.chain
          ? b.sequence - a.sequence
          : a.chain < b.chain
            ? 1
            : -1
        : a.at < b.at
          ? 1
          : -1,
    );
});
afterAll(async () => {
  await log[Symbol.asyncDispose]();
});

const of = (tenantId: string) => all.filter((record) => record.tenantId === tenantId);

/** Returns every page, at most 2,000 of them. */
async function pages(query: Omit<RecordQuery, 'filter'>, pageBytes?: number): Promise<RecordPage[]> {
  const records = fileRecords(log.path, pageBytes);
  const read: RecordPage[] = [];
  let next: RecordPage['next'];
  do {
    const page = await records.page({ ...query, filter: {}, before: next });
    read.push(page);
    next = page.next;
  } while (next && read.length < 2_000);
  return read;
}
const placeOf = ({ chain, sequence, reason = '' }: ParsedRecord) => `${chain} ${sequence} ${reason.length}`;
const placesOf = (read: readonly RecordPage[]) => read.flatMap(({ records }) => records.map(placeOf));

test('one page has the newest records of all chains in order', async () => {
  const { records, next } = await fileRecords(log.path).page({ tenantId: 'tenant-1', filter: {}, limit: 100 });
  expect(records).toEqual(of('tenant-1').slice(0, 100));
  expect(next).toMatchObject({ chain: records.at(-1)?.chain, sequence: records.at(-1)?.sequence });
});

test.each([7, 199])('pages of %i reach the first record, each record once', async (limit) => {
  const read = await pages({ tenantId: 'tenant-2', limit });
  expect(placesOf(read)).toEqual(of('tenant-2').map(placeOf));
  expect(read.slice(0, -1).every(({ records }) => records.length === limit)).toBe(true);
});

test('a page reads no more than its limit, and the next one continues there', async () => {
  const read = await pages({ tenantId: 'tenant-0', limit: 200 }, 50_000);
  expect(placesOf(read)).toEqual(of('tenant-0').map(placeOf));
  expect(read.length).toBeGreaterThan(8);
  const none = await pages({ tenantId: 'nobody', limit: 200 }, 50_000);
  expect(placesOf(none)).toEqual([]);
  expect(none.length).toBeGreaterThan(8);
});

test('a time range returns exactly its records', async () => {
  const whole = of('tenant-1');
  const [to, from] = [whole[100]?.at ?? '', whole[300]?.at ?? ''];
  const read = await pages({ tenantId: 'tenant-1', from: Date.parse(from), to: Date.parse(to), limit: 50 });
  expect(placesOf(read)).toEqual(whole.filter(({ at }) => at >= from && at < to).map(placeOf));
});

test('an old record is found in a file that continues long after it', async () => {
  const whole = of('tenant-1');
  const to = Date.parse(whole.at(-50)?.at ?? '');
  const { records } = await fileRecords(log.path).page({ tenantId: 'tenant-1', filter: {}, to, limit: 10 });
  expect(records.map(placeOf)).toEqual(
    whole
      .filter(({ at }) => Date.parse(at) < to)
      .slice(0, 10)
      .map(placeOf),
  );
});

test('an empty directory has no records', async () => {
  await using empty = await temporaryDirectory();
  expect(await fileRecords(empty.path).page({ tenantId: 'tenant-1', filter: {}, limit: 10 })).toEqual({ records: [] });
});

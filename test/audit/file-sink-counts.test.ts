import { expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { eventOf, temporaryDirectory } from '../support/chains.ts';
import { PlannedFile, recordEvents, recordsOf } from '../support/planned-file.ts';

/** A file whose writes wait until the test releases them. */
class SlowFile extends PlannedFile {
  readonly gates: (() => void)[] = [];
  isSlow: boolean = false;

  override async write(bytes: Uint8Array): Promise<{ bytesWritten: number }> {
    if (this.isSlow) await new Promise<void>((resolve) => this.gates.push(resolve));
    return super.write(bytes);
  }
}

test('the sink reports how many records wait and for how long, including the group being written', async () => {
  await using directory = await temporaryDirectory();
  const file = new SlowFile();
  let now = 1_000_000;
  const sink = await openFileSink({ directory: directory.path, createFile: async () => file, now: () => now });
  expect(sink.counts()).toEqual({ records: 0, groups: 0, refused: 0, waiting: 0, lagMs: 0 });
  file.isSlow = true;
  const first = sink.record(eventOf(0));
  while (file.gates.length === 0) await new Promise(setImmediate); // its group is being written
  now += 250;
  const others = recordEvents(sink, 1, 4);
  now += 50;
  expect(sink.counts()).toMatchObject({ records: 0, waiting: 3, lagMs: 300 });
  file.isSlow = false;
  for (const open of file.gates) open();
  await Promise.all([first, ...others]);
  expect(sink.counts()).toEqual({ records: 4, groups: 2, refused: 0, waiting: 0, lagMs: 0 });
  await sink.close();
});

test('records that could not be written count as refused, not as written', async () => {
  await using directory = await temporaryDirectory();
  const file = new PlannedFile();
  const sink = await openFileSink({ directory: directory.path, createFile: async () => file });
  file.plan = [{ error: 'ENOSPC' }];
  await Promise.allSettled(recordEvents(sink, 0, 1));
  expect(sink.counts()).toMatchObject({ records: 0, groups: 0, refused: 1, lagMs: 0 });
  await sink.record(eventOf(1));
  await sink.close();
});

test('a refused record counts once, however often its note is delayed', async () => {
  await using directory = await temporaryDirectory();
  const file = new PlannedFile();
  let asked = 0;
  // Full for the record and for the first two attempts at a note; then the disk refuses two more.
  const limit = () => (++asked <= 3 ? 'full' : undefined);
  const sink = await openFileSink({ directory: directory.path, createFile: async () => file, retryMs: 1, limit });
  file.plan = [{ error: 'ENOSPC' }, { error: 'ENOSPC' }];
  await Promise.allSettled([sink.record({ ...eventOf(0), count: 5 })]);
  while (sink.trouble() !== undefined) await new Promise(setImmediate);
  expect([asked > 3, file.plan]).toEqual([true, []]);
  expect(sink.counts()).toMatchObject({ records: 1, refused: 1 });
  await sink.close();
  expect(recordsOf(file.text)).toContainEqual(expect.objectContaining({ operation: 'audit', count: 5 }));
});

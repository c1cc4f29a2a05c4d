import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { verifyTable } from '../../src/audit/verify/verify-table.ts';
import { linesIn } from '../support/audit-table.ts';
import { eventOf } from '../support/chains.ts';
import { recordEvents } from '../support/planned-file.ts';
import { badOnes, newSpool, type Spool } from '../support/spool.ts';

const { signal } = new AbortController();

/** Deletes committed rows, as a failover to a lagging standby does. */
const loseFrom = ({ database }: Spool, chain: string, sequence: number) =>
  database.write((trx) =>
    trx.deleteFrom('audit_records').where('chain', '=', chain).where('sequence', '>=', sequence).execute(),
  );

test('rows that the database lost are shipped again, although the chain continued after them', async () => {
  await using spool = await newSpool();
  const { sink, shipper, said } = await spool.start({ timing: { scanMs: 3_600_000 } });
  await Promise.all(recordEvents(sink, 0, 40));
  await shipper.ship();
  await loseFrom(spool, sink.chain, 20);
  await sink.record(eventOf(40));
  await shipper.ship();
  await shipper.ship();
  expect(said).toEqual([`${sink.chain} lost its records from 20`]);
  await sink.close();
  await shipper.close();
  expect(await linesIn(spool.table)).toEqual(await spool.lines());
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
});

test("rows lost from chains without new records are found by the table's last sequence", async () => {
  await using spool = await newSpool();
  const ended = await spool.start();
  await Promise.all(recordEvents(ended.sink, 0, 10));
  await ended.sink.close();
  const { sink, shipper } = await spool.start();
  await shipper.ship();
  await loseFrom(spool, ended.sink.chain, 0);
  await loseFrom(spool, sink.chain, 0);
  await shipper.ship();
  expect(await linesIn(spool.table)).toEqual(await spool.lines());
  await sink.close();
});

test('records that no file has any more are reported, and the rest is shipped', async () => {
  await using spool = await newSpool();
  const { sink, shipper, said } = await spool.start();
  for (let n = 0; n < 30; n += 1) await sink.record(eventOf(n));
  await shipper.ship();
  const [first = '', second = ''] = await spool.directory.files();
  await rm(join(spool.directory.path, first));
  await loseFrom(spool, sink.chain, 0);
  await shipper.ship();
  await shipper.ship();
  expect(said).toContain(`${second}: earlier records are neither in the database nor in a file`);
  expect(await linesIn(spool.table)).toEqual(await spool.lines());
  expect(badOnes(await verifyTable(spool.table, signal))).toMatchObject([{ firstBad: { problem: 'start-missing' } }]);
  await sink.close();
});

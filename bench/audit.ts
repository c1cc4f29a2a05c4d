import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { openFileSink } from '../src/audit/file-sink.ts';
import { describeMachine, median, printTable } from './measure.ts';

/** What one record costs in the file sink, from `record` until it is accepted. */
const RECORDS = 200_000;
const WARM_UP = 50_000;
const RUNS = 5;
const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const PRINCIPAL = 'https://login.microsoftonline.com/8c0f3ad2-6a54-4a0e-9b6e-1d6f1f2f7c11/v2.0#billing';

async function run(concurrency: number, records: number): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-audit-'));
  const sink = await openFileSink({ directory });
  const vaultRequestId = randomUUID();
  const start = process.cpuUsage();
  for (let n = 0; n < records; n += concurrency) {
    const wave: Promise<void>[] = [];
    for (let at = 0; at < concurrency; at += 1) {
      wave.push(
        sink.record({
          operation: 'encrypt',
          outcome: 'succeeded',
          requestId: randomUUID(),
          principal: PRINCIPAL,
          tenantId: `tenant-${(n + at) % 1000}`,
          keyId: KEY_ID,
          bytes: 1024,
          vaultRequestId,
        }),
      );
    }
    await Promise.all(wave);
  }
  const { user, system } = process.cpuUsage(start);
  await sink.close();
  await rm(directory, { recursive: true });
  return (user + system) / records;
}

await run(64, WARM_UP);
const rows: string[][] = [];
for (const concurrency of [8, 64, 512]) {
  const figures: number[] = [];
  for (let time = 0; time < RUNS; time += 1) figures.push(await run(concurrency, RECORDS));
  rows.push([String(concurrency), median(figures).toFixed(2), Math.min(...figures).toFixed(2)]);
}
printTable(
  `Audit: CPU of a record in the file sink, ${RECORDS} records, median of ${RUNS} (${describeMachine()})`,
  ['requests at once', 'µs', 'least'],
  rows,
);

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { AuditTable } from '../src/audit/audit-table.ts';
import { type FileSink, openFileSink } from '../src/audit/chain/file-sink.ts';
import { ClockWatch } from '../src/audit/clock-watch.ts';
import { Shipper } from '../src/audit/shipping/shipper.ts';
import { migrate } from '../src/database/migrations/migrations.ts';
import { openDatabase } from '../src/database/open-database.ts';
import { auditTable } from '../src/database/tables/audit-table.ts';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { median } from '../test/support/statistics.ts';

/**
 * Cost of one record in the file sink, from `record` until it is accepted; and with all of them
 * shipped to PostgreSQL.
 */
const RECORDS = 200_000;
const WARM_UP = 50_000;
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const PRINCIPAL = 'https://login.microsoftonline.com/8c0f3ad2-6a54-4a0e-9b6e-1d6f1f2f7c11/v2.0#billing';

async function run(concurrency: number, records: number, table?: AuditTable): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-audit-'));
  const sink = await openFileSink({ directory, limit: () => shipper?.limit() });
  const shipper = table && openShipper(directory, sink, table);
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
  while ((shipper?.backlog().bytes ?? 0) > 0) await shipper?.ship();
  const { user, system } = process.cpuUsage(start);
  await sink.close();
  await shipper?.close();
  await rm(directory, { recursive: true });
  return (user + system) / records;
}

const openShipper = (directory: string, sink: FileSink, table: AuditTable): Shipper =>
  new Shipper({
    directory,
    sink,
    table,
    clocks: new ClockWatch({ onDisagreement: () => undefined, onAgreement: () => undefined }),
    maxSpoolBytes: Number.MAX_SAFE_INTEGER,
    keepMs: 3_600_000,
    onTrouble: (error) => process.stderr.write(`${String(error)}\n`),
    onRecovery: () => undefined,
    onBadFile: (file) => process.stderr.write(`${file}\n`),
    onLost: (chain) => process.stderr.write(`${chain}\n`),
  });

const url = await emptyDatabase();
await migrate({ url });
const database = await openDatabase({ url, maxConnections: 2 });
const table = auditTable(database);
await run(64, WARM_UP, table);
const results: { requestsAtOnce: number; file: number[]; shipped: number[] }[] = [];
for (const concurrency of [8, 64, 512]) {
  const figures: number[] = [];
  const shipped: number[] = [];
  for (let time = 0; time < RUNS; time += 1) {
    figures.push(await run(concurrency, RECORDS));
    shipped.push(await run(concurrency, RECORDS, table));
  }
  results.push({ requestsAtOnce: concurrency, file: figures, shipped });
}
await database.close();
printTable(
  `Audit: CPU of a record in this process, ${RECORDS} records, median of ${RUNS} (${describeMachine()})`,
  ['requests at once', 'file, µs', 'least', 'file and PostgreSQL, µs', 'least'],
  results.map(({ requestsAtOnce, file, shipped }) => [
    String(requestsAtOnce),
    ...[file, shipped].flatMap((all) => [median(all).toFixed(2), Math.min(...all).toFixed(2)]),
  ]),
);
await writeResults('audit', results);

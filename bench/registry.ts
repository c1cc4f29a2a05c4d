import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { TenantRegistry } from '../src/tenants/registry.ts';
import { migrate } from '../src/tenants/sql/migrations.ts';
import { type DatabaseOptions, openDatabase } from '../src/tenants/sql/open-database.ts';
import { openSqlRegistry } from '../src/tenants/sql/sql-registry.ts';
import { findTenant } from '../src/tenants/sql/tenant-rows.ts';
import { tenantSchema } from '../src/tenants/tenant-schema.ts';
import { vaultHosts } from '../src/tenants/vault-hosts.ts';
import { describeMachine, emptyDatabase, median, printTable } from './measure.ts';

/** Look-ups and pages with few and with many tenants: neither may grow with their number. */
const SIZES = [100, 100_000];
const RUNS = 5;
const LOOK_UPS = 20_000;
const READS = 500;
const PAGES = 50;
const AT_ONCE = 20;

const hosts = vaultHosts(['.vault.azure.net'], false);
const schema = tenantSchema(hosts);
const idOf = (at: number): string => `tenant-${String(at).padStart(6, '0')}`;
const recordOf = (at: number) =>
  schema.parse({
    id: idOf(at),
    entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
    keys: { data: { vaultUrl: `https://kv${at}.vault.azure.net`, name: 'data', use: 'data' } },
    defaultKey: 'data',
  });

async function register(registry: TenantRegistry, count: number): Promise<void> {
  for (let at = 0; at < count; at += AT_ONCE) {
    const more = Array.from({ length: Math.min(AT_ONCE, count - at) }, (_, offset) => recordOf(at + offset));
    await Promise.all(more.map((record) => registry.put(record, undefined, 'bench')));
    if (at % 10_000 === 0) process.stderr.write(`${at} of ${count} registered\r`);
  }
}

/** Microseconds a call. */
async function timed(calls: number, call: (at: number) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  for (let at = 0; at < calls; at += 1) await call(at);
  return ((performance.now() - startedAt) * 1_000) / calls;
}

async function measure(options: DatabaseOptions, count: number) {
  await migrate(options);
  const database = await openDatabase(options);
  const quiet = { onInvalidRecord: () => undefined, onTrouble: () => undefined, onRecovery: () => undefined };
  const registry = await openSqlRegistry({ database, hosts, ...quiet });
  await register(registry, count);
  const anyId = () => idOf(Math.floor(Math.random() * count));
  const warm: number[] = [];
  const cold: number[] = [];
  const pages: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const ids = Array.from({ length: 100 }, anyId);
    for (const id of ids) await registry.get(id);
    warm.push(await timed(LOOK_UPS, (at) => registry.get(ids[at % 100] ?? '')));
    cold.push(await timed(READS, () => database.read((db) => findTenant(db, anyId()))));
    pages.push(await timed(PAGES, () => registry.list(50, anyId())));
  }
  await registry.close();
  await database.close();
  return { warm: median(warm), cold: median(cold), page: median(pages) };
}

const folder = await mkdtemp(join(tmpdir(), 'bench-'));
const rows: string[][] = [];
for (const count of SIZES) {
  const databases: [string, DatabaseOptions][] = [
    ['SQLite', { file: join(folder, `${count}.db`) }],
    ['PostgreSQL', { url: await emptyDatabase() }],
  ];
  for (const [name, options] of databases) {
    const { warm, cold, page } = await measure(options, count);
    rows.push([name, String(count), warm.toFixed(2), cold.toFixed(0), page.toFixed(0)]);
  }
}
await rm(folder, { recursive: true, force: true });
printTable(
  `Registry: µs a call, median of ${RUNS} runs; ${describeMachine()}`,
  ['database', 'tenants', 'look-up, cached', 'look-up, read', 'page of 50'],
  rows,
);

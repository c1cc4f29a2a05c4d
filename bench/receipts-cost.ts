import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { usageOf } from './cpu.ts';
import { openBenchSite } from './product.ts';
import { openSlices, warmUp } from './slices.ts';

/**
 * CPU per request of three services that take turns: one with neither receipts nor reasons, one
 * whose tenants require that callers say who reads and why, and one with receipts too. All ship
 * their audit records to PostgreSQL. The sum ends when all records are sequenced and have a
 * checkpoint, so that all later work is counted. Checkpoints are three times as frequent as by
 * default, so that each log gets several.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 3);
const TURNS = 12;
const REQUESTS = Number(process.env['BENCH_REQUESTS'] ?? 8_000);
const TENANTS = 20;
const CHECKPOINT_SECONDS = Number(process.env['BENCH_CHECKPOINT_SECONDS'] ?? 100);
const SETTLED_TRIES = 100;
/** Subjects and reasons of each tenant, which take turns. */
const REASONS = 10;
const accessOf = (at: number) => ({
  'Access-Subject': `ann.${at}@contoso.example`,
  'Access-Reason': encodeURIComponent(`ticket ${4_711 + at}: the invoice is wrong`),
});

const site = await openBenchSite({ customers: TENANTS });
const paths = Array.from({ length: REASONS }, () => site.tenants.map(({ id }) => `/tenants/${id}/encrypt`)).flat();
const load = { paths, body: { plaintext: Buffer.alloc(1_024, 7).toString('base64') }, token: site.token };

const RECEIPTS_KEY = 'vaultspan-receipts';
await site.emulator.control.createKey({ vault: 'home', key: RECEIPTS_KEY, kty: 'EC', tags: {} });
const principal = 'managed-identity';
await site.emulator.control.grantRole({ vault: 'home', role: 'Key Vault Crypto User', key: RECEIPTS_KEY, principal });

const SIDES = {
  neither: { hasReasons: false, hasReceipts: false },
  reasons: { hasReasons: true, hasReceipts: false },
  both: { hasReasons: true, hasReceipts: true },
} as const;
type SideName = keyof typeof SIDES;

interface Side {
  readonly pid: number;
  readonly client: Awaited<ReturnType<typeof openSlices>>;
  readonly database: Client;
  readonly hasReceipts: boolean;
  /** The process in PostgreSQL of `database`, whose counting is no work of the service. */
  readonly ownBackend: number;
  /** Name of the database. */
  readonly name: string;
  /** CPU of the database's processes for this service, also of those that have ended, in µs. */
  readonly backends: Map<number, number>;
  stop(): Promise<void>;
}

async function start(sideName: SideName): Promise<Side> {
  const { hasReasons, hasReceipts } = SIDES[sideName];
  const url = await emptyDatabase();
  const file = join(site.folder, `tenants-${sideName}.json`);
  const requiredAccess = ['subject', 'reason'];
  const tenants = site.tenants.map((tenant) => (hasReasons ? { ...tenant, requiredAccess } : tenant));
  await writeFile(file, JSON.stringify({ tenants }));
  const settings = {
    registry: { file },
    database: { url },
    audit: { directory: join(site.folder, `audit-${sideName}`), database: true },
    ...(hasReceipts && { receipts: { origin: 'vendor.example/vaultspan', checkpointSeconds: CHECKPOINT_SECONDS } }),
  };
  const server = await site.startProduct(settings);
  const client = await openSlices(server, { ...load, ...(hasReasons && { headersOf: accessOf }) });
  await warmUp(client);
  const database = new Client({ connectionString: url });
  await database.connect();
  const { rows } = await database.query<{ pid: number }>('select pg_backend_pid() as pid');
  return {
    pid: server.pid,
    ownBackend: rows[0]?.pid ?? 0,
    client,
    database,
    hasReceipts,
    name: url.match(/bench_\w+/)?.[0] ?? '',
    backends: new Map(),
    stop: async () => {
      client.close();
      await database.end();
      await server.stop();
    },
  };
}
/** Returns the CPU of the service and of its connections' processes in PostgreSQL, in µs. */
async function cpuOf({ pid, ownBackend, name, backends }: Side) {
  for (const entry of await readdir('/proc')) {
    const title = /^\d+$/.test(entry) ? await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '') : '';
    if (!title.startsWith('postgres:') || !title.includes(` ${name} `) || Number(entry) === ownBackend) continue;
    const usage = await usageOf(Number(entry)).catch(() => undefined); // ended since
    if (usage) backends.set(Number(entry), usage.cpuMicroseconds);
  }
  const { cpuMicroseconds: service } = await usageOf(pid);
  return { service, database: backends.values().reduce((sum, cpu) => sum + cpu, 0) };
}

/** Waits until all records are in the database, none waits for its number and no log for its checkpoint. */
async function settled(side: Side): Promise<void> {
  const { database, hasReceipts } = side;
  const count = async (query: string) => Number((await database.query<{ n: string }>(query)).rows[0]?.n);
  const waiting = `select (select count(*) from audit_chains where stored > sequenced)
    + (select count(*) from log_heads where due_at is not null) as n`;
  for (let tries = 0; tries < SETTLED_TRIES; tries += 1) {
    const before = await count('select count(*) as n from audit_records');
    await sleep(2_000);
    await cpuOf(side);
    const isShipped = before === (await count('select count(*) as n from audit_records'));
    if (isShipped && !(hasReceipts && (await count(waiting)) > 0)) return;
  }
  throw new Error('the records are not sequenced');
}

const sides = { neither: await start('neither'), reasons: await start('reasons'), both: await start('both') };

type Cost = Readonly<Record<SideName, number>>;
type Costs = Readonly<Record<'service' | 'database', Cost>>;
type Cpu = Readonly<Record<SideName, Awaited<ReturnType<typeof cpuOf>>>>;

const cpuOfAll = async (): Promise<Cpu> => ({
  neither: await cpuOf(sides.neither),
  reasons: await cpuOf(sides.reasons),
  both: await cpuOf(sides.both),
});

/** Returns the CPU per request of all work since a time. */
async function costsSince(before: Cpu, requests: number): Promise<Costs> {
  const after = await cpuOfAll();
  const costOf = (part: 'service' | 'database'): Cost => {
    const of = (name: SideName) => (after[name][part] - before[name][part]) / requests;
    return { neither: of('neither'), reasons: of('reasons'), both: of('both') };
  };
  return { service: costOf('service'), database: costOf('database') };
}

const begin = await cpuOfAll();
const runs: Costs[] = [];
for (let run = 0; run < RUNS; run += 1) {
  const before = await cpuOfAll();
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const side of Object.values(sides)) {
      await side.client.measure(REQUESTS);
      await cpuOf(side); // connections that are idle end
    }
  }
  runs.push(await costsSince(before, TURNS * REQUESTS));
}
await Promise.all(Object.values(sides).map(settled));
const total = await costsSince(begin, RUNS * TURNS * REQUESTS);
const counted = async ({ database }: Side, table: string) =>
  Number((await database.query<{ n: string }>(`select count(*) as n from ${table}`)).rows[0]?.n);
const requests = RUNS * TURNS * REQUESTS;
for (const side of Object.values(sides)) {
  if ((await counted(side, 'audit_records')) < requests) throw new Error('not every request has its record');
}
if ((await counted(sides.both, 'log_entries')) < requests) throw new Error('not every record is in a log');
for (const side of Object.values(sides)) await side.stop();
await site.close();

const row = (part: keyof Costs) => {
  const { neither, reasons, both } = total[part];
  return [
    part === 'service' ? 'the service' : "its connections' processes in PostgreSQL",
    neither.toFixed(1),
    reasons.toFixed(1),
    both.toFixed(1),
    (both - neither).toFixed(1),
    runs.map((run) => (run[part].both - run[part].neither).toFixed(1)).join(', '),
  ];
};
printTable(
  `Who and why, and receipts: CPU in µs a request of encrypt 1 KiB, ${TENANTS + 1} tenants, ${RUNS} runs; ${describeMachine()}`,
  [
    'process',
    'neither',
    'who and why',
    'and receipts',
    'both − neither (service: at most 3)',
    'in each run, without the work after it',
  ],
  [row('service'), row('database')],
);
await writeResults('receipts-cost', [total, ...runs]);

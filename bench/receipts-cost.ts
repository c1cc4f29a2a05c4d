import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { usageOf } from './cpu.ts';
import { openBenchSite } from './product.ts';
import { openSlices } from './slices.ts';

/**
 * CPU per request of a service whose tenants require that callers say who reads and why, and have
 * receipts, beside one with neither. Both ship their audit records to PostgreSQL and take turns. The
 * sum ends when all records are sequenced and have a checkpoint, so that all later work is counted.
 * Checkpoints are three times as frequent as by default, so that each log gets several.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 3);
const TURNS = 12;
const REQUESTS = Number(process.env['BENCH_REQUESTS'] ?? 8_000);
const TENANTS = 20;
const CHECKPOINT_SECONDS = Number(process.env['BENCH_CHECKPOINT_SECONDS'] ?? 100);
const ACCESS = {
  'Access-Subject': 'ann@contoso.example',
  'Access-Reason': encodeURIComponent('ticket 4711: the invoice is wrong'),
};
const SETTLED_TRIES = 100;

const site = await openBenchSite({ customers: TENANTS });
const paths = site.tenants.map(({ id }) => `/tenants/${id}/encrypt`);
const load = { paths, body: { plaintext: Buffer.alloc(1_024, 7).toString('base64') }, token: site.token };

const RECEIPTS_KEY = 'vaultspan-receipts';
await site.emulator.control.createKey({ vault: 'home', key: RECEIPTS_KEY, kty: 'EC', tags: {} });
const principal = 'managed-identity';
await site.emulator.control.grantRole({ vault: 'home', role: 'Key Vault Crypto User', key: RECEIPTS_KEY, principal });

interface Side {
  readonly pid: number;
  readonly client: Awaited<ReturnType<typeof openSlices>>;
  readonly database: Client;
  readonly isOn: boolean;
  readonly name: string;
  /** CPU of the database's processes for this service, also of those that have ended, in µs. */
  readonly backends: Map<number, number>;
  stop(): Promise<void>;
}

async function start(isOn: boolean): Promise<Side> {
  const url = await emptyDatabase();
  const file = join(site.folder, `tenants-${isOn}.json`);
  const tenants = site.tenants.map((tenant) => (isOn ? { ...tenant, requiredAccess: ['subject', 'reason'] } : tenant));
  await writeFile(file, JSON.stringify({ tenants }));
  const settings = {
    registry: { file },
    database: { url },
    audit: { directory: join(site.folder, `audit-${isOn}`), database: true },
    ...(isOn && { receipts: { origin: 'vendor.example/vaultspan', checkpointSeconds: CHECKPOINT_SECONDS } }),
  };
  const server = await site.startProduct(settings);
  const client = await openSlices(server, { ...load, headers: isOn ? ACCESS : {} });
  await client.measure(REQUESTS); // warm
  const database = new Client({ connectionString: url });
  await database.connect();
  return {
    pid: server.pid,
    client,
    database,
    isOn,
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
async function cpuOf({ pid, name, backends }: Side) {
  for (const entry of await readdir('/proc')) {
    const title = /^\d+$/.test(entry) ? await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '') : '';
    if (!title.startsWith('postgres:') || !title.includes(` ${name} `)) continue;
    const usage = await usageOf(Number(entry)).catch(() => undefined); // ended since
    if (usage) backends.set(Number(entry), usage.cpuMicroseconds);
  }
  const { cpuMicroseconds: service } = await usageOf(pid);
  return { service, database: backends.values().reduce((sum, cpu) => sum + cpu, 0) };
}

/** Waits until all records are in the database, none waits for its number and no log for its checkpoint. */
async function settled(side: Side): Promise<void> {
  const { database, isOn } = side;
  const count = async (query: string) => Number((await database.query<{ n: string }>(query)).rows[0]?.n);
  const waiting = `select (select count(*) from audit_chains where stored > sequenced)
    + (select count(*) from log_heads where due_at is not null) as n`;
  for (let tries = 0; tries < SETTLED_TRIES; tries += 1) {
    const before = await count('select count(*) as n from audit_records');
    await sleep(2_000);
    await cpuOf(side);
    const isShipped = before === (await count('select count(*) as n from audit_records'));
    if (isShipped && !(isOn && (await count(waiting)) > 0)) return;
  }
  throw new Error('the records are not sequenced');
}

const sides = { on: await start(true), off: await start(false) };
interface Cost {
  readonly on: number;
  readonly off: number;
}

type Costs = Readonly<Record<'service' | 'database', Cost>>;

/** Returns the CPU per request of all work since a time. */
async function costsSince(before: Awaited<ReturnType<typeof cpuOfBoth>>, requests: number): Promise<Costs> {
  const after = await cpuOfBoth();
  const costOf = (part: 'service' | 'database'): Cost => ({
    on: (after.on[part] - before.on[part]) / requests,
    off: (after.off[part] - before.off[part]) / requests,
  });
  return { service: costOf('service'), database: costOf('database') };
}

const cpuOfBoth = async () => ({ on: await cpuOf(sides.on), off: await cpuOf(sides.off) });

const begin = await cpuOfBoth();
const runs: Costs[] = [];
for (let run = 0; run < RUNS; run += 1) {
  const before = await cpuOfBoth();
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const side of [sides.on, sides.off]) {
      await side.client.measure(REQUESTS);
      await cpuOf(side); // connections that are idle end
    }
  }
  runs.push(await costsSince(before, TURNS * REQUESTS));
}
await Promise.all([settled(sides.on), settled(sides.off)]);
const total = await costsSince(begin, RUNS * TURNS * REQUESTS);
const counted = async ({ database }: Side, table: string) =>
  Number((await database.query<{ n: string }>(`select count(*) as n from ${table}`)).rows[0]?.n);
const requests = (RUNS * TURNS + 1) * REQUESTS;
for (const side of Object.values(sides)) {
  if ((await counted(side, 'audit_records')) < requests) throw new Error('not every request has its record');
}
if ((await counted(sides.on, 'log_entries')) < requests) throw new Error('not every record is in a log');
for (const side of Object.values(sides)) await side.stop();
await site.close();

const row = (part: keyof Costs) => {
  const { on, off } = total[part];
  return [
    part === 'service' ? 'the service' : "its connections' processes in PostgreSQL",
    on.toFixed(1),
    off.toFixed(1),
    (on - off).toFixed(1),
    runs.map((run) => (run[part].on - run[part].off).toFixed(1)).join(', '),
  ];
};
printTable(
  `Who and why, and receipts: CPU in µs a request of encrypt 1 KiB, ${TENANTS + 1} tenants, ${RUNS} runs; ${describeMachine()}`,
  ['process', 'on', 'off', 'on − off (service: at most 3)', 'in each run, without the work after it'],
  [row('service'), row('database')],
);
await writeResults('receipts-cost', [total, ...runs]);

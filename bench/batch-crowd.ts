import { fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, rmdir, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { loadavg } from 'node:os';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { percentile } from '../test/support/statistics.ts';
import { type Answer, agent, outcomeOf, paced, post, residentMiB, type Site, scheduleFirst, send } from './calls.ts';
import { openBenchSite } from './product.ts';

/**
 * Small requests beside 100 clients that send batches of 1,000 items one after the other, with 512 MiB for the service: what the small
 * ones wait on a kept connection and on a new one, and what happens to the batches. Callers, service, and emulated Azure have a
 * process each.
 */
const MEMORY_BYTES = 512 * 1_024 * 1_024;
/** The default for this memory, which the service reads before the benchmark could limit it. */
const MAX_BUFFERED_BYTES = 32 * 1_024 * 1_024;
const CLIENTS = 100;
const SMALL_EVERY_MS = 20;
const NEW_EVERY_MS = 100;
const QUIET_MS = 5_000;
const BUSY_MS = 1_000 * Number(process.env['BENCH_SECONDS'] ?? 20);
/** What the clients take to connect. */
const ARRIVAL_MS = 2_000;
const SAMPLE_EVERY_MS = 100;
const TENANT = 'contoso';
const plaintext = Buffer.alloc(1_024, 7).toString('base64');
const item = { plaintext: Buffer.alloc(600, 7).toString('base64') };
const batch = JSON.stringify({ items: Array.from({ length: 1_000 }, () => item) });

/**
 * Moves this process into a memory cgroup of version 1, for the service that it starts. Returns a function that undoes it; nothing is
 * limited if it may not.
 */
async function limitMemory(): Promise<() => Promise<void>> {
  const root = '/sys/fs/cgroup/memory';
  const group = `${root}/vaultspan-bench-${process.pid}`;
  try {
    await mkdir(group);
    await writeFile(`${group}/memory.limit_in_bytes`, String(MEMORY_BYTES));
    await appendFile(`${group}/cgroup.procs`, String(process.pid));
  } catch (error) {
    process.stderr.write(`The service's memory is not limited: ${String(error)}\n`);
    return () => Promise.resolve();
  }
  return async () => {
    await appendFile(`${root}/cgroup.procs`, String(process.pid));
    process.once('exit', () => void rmdir(group).catch(() => undefined));
  };
}

async function serve(): Promise<void> {
  const site = await openBenchSite();
  const leave = await limitMemory();
  const product = await site.startProduct({ http: { maxBufferedBytes: MAX_BUFFERED_BYTES } });
  await leave();
  process.send?.({
    url: product.url,
    token: site.token,
    servicePid: product.pid,
    emulatorPid: process.pid,
    tenants: [TENANT],
  } satisfies Site);
  await once(process, 'disconnect');
  await product.stop();
  await site.close();
}

/** The clients with batches. They heed Retry-After, and have a process of their own. */
async function beCrowd(): Promise<void> {
  const [site] = (await once(process, 'message')) as [Site];
  const answers: Answer[] = [];
  const until = performance.now() + BUSY_MS;
  const client = async () => {
    while (performance.now() < until) {
      const answer = await post(site, `/tenants/${TENANT}/batch/encrypt`, batch);
      answers.push(answer);
      if (answer.status !== 200) await sleep((Math.max(1, answer.retryAfter) + Math.random()) * 1_000);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  process.send?.(answers, () => process.disconnect?.());
}

function startPaced(site: Site) {
  const unkept = new Agent({ keepAlive: false });
  const path = `/tenants/${TENANT}/encrypt`;
  const body = JSON.stringify({ plaintext });
  const stops = {
    'encrypt, kept connection': paced(SMALL_EVERY_MS, () => post(site, path, body)),
    'encrypt, new connection': paced(NEW_EVERY_MS, () => post(site, path, body, unkept)),
    'healthz, new connection': paced(NEW_EVERY_MS, () => send(`${site.url}/healthz`, {}, undefined, unkept)),
  };
  return async () =>
    Object.fromEntries(
      await Promise.all(Object.entries(stops).map(async ([name, stop]) => [name, await stop()] as const)),
    );
}

function rowOf(calls: string, phase: string, answers: readonly Answer[]) {
  const took = answers.map(({ milliseconds }) => milliseconds);
  const refused = answers.filter(({ status }) => status !== 200).length;
  return [
    calls,
    phase,
    String(took.length),
    String(refused),
    ...[0.5, 0.9, 0.99, 1].map((part) => percentile(took, part).toFixed(1)),
  ];
}

async function measure(): Promise<void> {
  const child = fork(import.meta.filename, ['site']);
  const [site] = (await once(child, 'message')) as [Site];
  const crowd = fork(import.meta.filename, ['crowd']);
  await once(crowd, 'spawn');
  scheduleFirst(site);
  const load = [loadavg()[0]];
  const stopQuiet = startPaced(site);
  await sleep(QUIET_MS);
  const quiet = await stopQuiet();
  let mostMiB = 0;
  const sampling = setInterval(() => {
    mostMiB = Math.max(mostMiB, residentMiB(site.servicePid));
  }, SAMPLE_EVERY_MS);
  const stopDuring = startPaced(site);
  const startedAt = performance.now();
  crowd.send(site);
  const [batches] = (await once(crowd, 'message')) as [Answer[]];
  const during = await stopDuring();
  clearInterval(sampling);
  load.push(loadavg()[0]);
  agent.destroy();
  child.disconnect();
  await once(child, 'exit');

  const settled = ({ sentAt }: Answer) => sentAt > startedAt + ARRIVAL_MS && sentAt < startedAt + BUSY_MS;
  const rows = Object.keys(quiet).flatMap((calls) => [
    rowOf(calls, 'quiet', quiet[calls] ?? []),
    rowOf(calls, 'beside the batches', (during[calls] ?? []).filter(settled)),
  ]);
  rows.push(
    rowOf(
      'batches',
      'answered 200',
      batches.filter(({ status }) => status === 200),
    ),
  );
  printTable(
    `Batch crowd: ms a call beside ${CLIENTS} clients with batches of 1,000 × 600 B; ${describeMachine()}`,
    ['calls', 'phase', 'measured', 'refused', 'p50', 'p90', 'p99', 'longest'],
    rows,
  );
  const outcomes = Object.entries(Object.groupBy(batches, outcomeOf)).map(([key, some]) => [key, some?.length ?? 0]);
  const summary = { outcomes: Object.fromEntries(outcomes) as object, mostMiB, load };
  process.stdout.write(`\n${JSON.stringify(summary, undefined, 1)}\n`);
  await writeResults('batch-crowd', [summary, ...rows]);
}

const [, , role] = process.argv;
await (role === 'site' ? serve() : role === 'crowd' ? beCrowd() : measure());

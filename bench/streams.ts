import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { median } from '../test/support/statistics.ts';
import { type MeasuredServer, startMeasured } from './cpu.ts';
import { openBenchSite } from './product.ts';

/**
 * A large body through encrypt and decrypt, and through bare servers that return it, each in turn;
 * curl is the client.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const MIB = 1_048_576;
const BYTES = Number(process.env['BENCH_MIB'] ?? 1_024) * MIB;
const SAMPLE_EVERY_MS = 20;
const CURL_TIMED_OUT = 28;

interface Way {
  readonly name: string;
  readonly server: MeasuredServer;
  readonly path: string;
  readonly file: string;
}

interface Run {
  readonly mibPerSecond: number;
  readonly cpuMicrosecondsPerMib: number;
  readonly residentBytes: number;
}

const run = promisify(execFile);
const site = await openBenchSite();
const plain = join(site.folder, 'plain');
const sealed = join(site.folder, 'sealed');

async function post(url: string, file: string, to: string): Promise<number> {
  const headers = ['Content-Type: application/octet-stream', `Authorization: Bearer ${site.token}`, 'Expect:'];
  // Aborts a transfer without progress for 10 s.
  const args = ['-sS', '--fail', '-y', '10', '-Y', '1', '-X', 'POST', '-T', file, '-o', to, '-w', '%{time_total}'];
  const { stdout } = await run('curl', [...args, ...headers.flatMap((header) => ['-H', header]), url]);
  return Number(stdout);
}

/**
 * Returns one run. Loopback with large buffers can block itself if both sides send more than they
 * read: such a run is repeated.
 */
async function measure(way: Way, tries = 3): Promise<Run> {
  try {
    return await measureOnce(way);
  } catch (error) {
    if (tries === 1 || (error as { readonly code?: unknown }).code !== CURL_TIMED_OUT) throw error; // in execFile's form
    process.stderr.write(`${way.name}: stalled, again\n`);
    return measure(way, tries - 1);
  }
}

async function measureOnce({ server, path, file }: Way): Promise<Run> {
  const before = await server.usage();
  const ended = new AbortController();
  const most = mostResident(server, ended.signal);
  const seconds = await post(server.url + path, file, '/dev/null').finally(() => ended.abort());
  const residentBytes = await most;
  const after = await server.usage();
  const mib = (await stat(file)).size / MIB;
  return {
    mibPerSecond: mib / seconds,
    cpuMicrosecondsPerMib: (after.cpuMicroseconds - before.cpuMicroseconds) / mib,
    residentBytes,
  };
}

async function mostResident(server: MeasuredServer, ended: AbortSignal): Promise<number> {
  let most = 0;
  while (!ended.aborted) {
    most = Math.max(most, (await server.usage()).residentBytes);
    await sleep(SAMPLE_EVERY_MS);
  }
  return most;
}

async function writePlain(): Promise<void> {
  const file = createWriteStream(plain);
  const piece = randomBytes(MIB);
  for (let written = 0; written < BYTES; written += MIB) {
    await new Promise((resolve) => file.write(piece, resolve));
  }
  await new Promise<void>((resolve) => file.end(resolve));
}

await writePlain();
const express: MeasuredServer = await startMeasured(join(import.meta.dirname, 'bare-server.ts'), ['express']);
const product: MeasuredServer = await site.startProduct();
const encryptPath = '/tenants/contoso/streams/encrypt';
const idle = async (server: MeasuredServer) => (await server.usage()).residentBytes;
const idleBytes = new Map([
  [express, await idle(express)],
  [product, await idle(product)],
]);
await post(product.url + encryptPath, plain, sealed);
const ways: readonly Way[] = [
  { name: 'echo', server: express, path: '/echo', file: plain },
  { name: 'echo, its garbage gathered early', server: express, path: '/echo-tidy', file: plain },
  { name: 'the same with AES-256-GCM', server: express, path: '/echo-sealed', file: plain },
  { name: 'encrypt', server: product, path: encryptPath, file: plain },
  { name: 'decrypt', server: product, path: '/tenants/contoso/streams/decrypt', file: sealed },
];
const runs = new Map<Way, Run[]>(ways.map((way) => [way, []]));
for (const way of ways) await measure(way); // warm
for (let time = 0; time < RUNS; time += 1) {
  for (const [way, measured] of runs) measured.push(await measure(way));
}
for (const server of [express, product]) await server.stop();
await site.close();

const [echo = []] = runs.values();
const results = [...runs].map(([{ name, server }, measured]) => {
  const of = (member: keyof Run, all = measured) => median(all.map((one) => one[member]));
  const ratios = measured.map(({ mibPerSecond }, at) => mibPerSecond / (echo[at]?.mibPerSecond ?? Number.NaN));
  return {
    way: name,
    mibPerSecond: of('mibPerSecond'),
    ofEcho: median(ratios),
    cpuMicrosecondsPerMib: of('cpuMicrosecondsPerMib'),
    // The ratio without other work on the machine.
    ofEchoByCpu: of('cpuMicrosecondsPerMib', echo) / of('cpuMicrosecondsPerMib'),
    overIdleMib: (Math.max(...measured.map((one) => one.residentBytes)) - (idleBytes.get(server) ?? 0)) / MIB,
  };
});
printTable(
  `Streams: ${BYTES / MIB} MiB, median of ${RUNS} runs; ${describeMachine()}`,
  ['work', 'MiB/s', 'of the echo', 'server CPU, µs a MiB', 'of the echo, by CPU', 'most memory over idle, MiB'],
  results.map((row) => [
    row.way,
    row.mibPerSecond.toFixed(0),
    row.ofEcho.toFixed(2),
    row.cpuMicrosecondsPerMib.toFixed(0),
    row.ofEchoByCpu.toFixed(2),
    row.overIdleMib.toFixed(0),
  ]),
);
await writeResults('streams', results);

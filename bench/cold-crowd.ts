import { fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { percentile } from '../test/support/statistics.ts';
import {
  type Answer,
  agent,
  cpuMsOf,
  outcomeOf,
  paced,
  post,
  type Site,
  scheduleFirst,
  send,
  socketsOf,
} from './calls.ts';
import { openBenchSite } from './product.ts';

/**
 * First calls of many tenants at once, as after a restart: what they do to the tenants that are warm, and how long until all of them are
 * served by callers that heed Retry-After. Callers, service, and emulated Azure have a process each.
 */
const TENANTS = Number(process.env['BENCH_TENANTS'] ?? 2_000);
const WARM_TENANTS = 20;
const WARM_EVERY_MS = 10;
const QUIET_MS = 10_000;
const SAMPLE_EVERY_MS = 250;
/** What the callers take to arrive and to be refused. */
const ARRIVAL_MS = 2_000;
const LONGEST_MS = 150_000;
const plaintext = Buffer.alloc(1_024, 7).toString('base64');
const encrypt = (site: Site, tenant: string | undefined): Promise<Answer> =>
  post(site, `/tenants/${tenant}/encrypt`, JSON.stringify({ plaintext }));

async function serve(): Promise<void> {
  const site = await openBenchSite({ customers: TENANTS + WARM_TENANTS });
  const product = await site.startProduct();
  const tenants = site.tenants.slice(1).map(({ id }) => id);
  process.send?.({
    url: product.url,
    token: site.token,
    servicePid: product.pid,
    emulatorPid: process.pid,
    tenants,
  } satisfies Site);
  await once(process, 'disconnect');
  await product.stop();
  await site.close();
}

interface CrowdOutcome {
  readonly firstAnswers: readonly Answer[];
  readonly refusals: readonly Answer[];
  readonly served: number;
}

/** The callers of the cold tenants. They have a process of their own, so that opening their connections delays no measured call. */
async function callAll(site: Site): Promise<CrowdOutcome> {
  const firstAnswers: Answer[] = [];
  const refusals: Answer[] = [];
  let served = 0;
  const giveUpAt = performance.now() + LONGEST_MS;
  const untilServed = async (tenant: string) => {
    for (let attempt = 1; performance.now() < giveUpAt; attempt += 1) {
      const answer = await encrypt(site, tenant);
      if (attempt === 1) firstAnswers.push(answer);
      if (answer.status === 200) {
        served += 1;
        return;
      }
      if (answer.status !== 503) throw new Error(`${tenant} was answered ${answer.status} ${answer.reason}`);
      refusals.push(answer);
      // Retry-After has whole seconds; callers that were told the same one don't return in the same millisecond.
      await sleep((Math.max(1, answer.retryAfter) + Math.random()) * 1_000);
    }
  };
  await Promise.all(site.tenants.slice(WARM_TENANTS).map(untilServed));
  return { firstAnswers, refusals, served };
}

async function beCrowd(): Promise<void> {
  const [site] = (await once(process, 'message')) as [Site];
  process.send?.(await callAll(site), () => process.disconnect?.()); // at once would cut a long message off
}

function startPaced(site: Site) {
  const warm = site.tenants.slice(0, WARM_TENANTS);
  const stopWarm = paced(WARM_EVERY_MS, (turn) => encrypt(site, warm[turn % warm.length]));
  const stopHealth = paced(10 * WARM_EVERY_MS, () => send(`${site.url}/healthz`, {}));
  return async () => ({ warm: await stopWarm(), health: await stopHealth() });
}

const countOf = (keys: readonly string[]) =>
  Object.fromEntries(Object.entries(Object.groupBy(keys, (key) => key)).map(([key, all]) => [key, all?.length ?? 0]));

async function measure(): Promise<void> {
  const child = fork(import.meta.filename, ['site']);
  const [site] = (await once(child, 'message')) as [Site];
  const crowd = fork(import.meta.filename, ['crowd']);
  await once(crowd, 'spawn');
  scheduleFirst(site);
  for (let turn = 0; turn < 2_000; turn += 1) {
    const { status, reason } = await encrypt(site, site.tenants[turn % WARM_TENANTS]);
    if (status !== 200) throw new Error(`A warm tenant was answered ${status} ${reason}`);
  }
  const load = [loadavg()[0]];
  const stopQuiet = startPaced(site);
  await sleep(QUIET_MS);
  const quiet = await stopQuiet();
  const cpuBefore = cpuMsOf(site.servicePid);
  const sockets = { before: socketsOf(site.servicePid), most: 0 };
  const sampling = setInterval(() => {
    sockets.most = Math.max(sockets.most, socketsOf(site.servicePid));
  }, SAMPLE_EVERY_MS);
  const stopDuring = startPaced(site);
  const startedAt = performance.now();
  crowd.send(site);
  const [{ firstAnswers, refusals, served }] = (await once(crowd, 'message')) as [CrowdOutcome];
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpuSeconds = (cpuMsOf(site.servicePid) - cpuBefore) / 1_000;
  const during = await stopDuring();
  clearInterval(sampling);
  load.push(loadavg()[0]);
  agent.destroy();
  child.disconnect();
  await once(child, 'exit');

  const retryAfter = refusals.map((refusal) => refusal.retryAfter);
  const summary = {
    tenants: site.tenants.length - WARM_TENANTS,
    seconds,
    cpuSeconds,
    load,
    firstAnswers: countOf(firstAnswers.map(outcomeOf)),
    refusals: countOf(refusals.map(outcomeOf)),
    served,
    retryAfter: [0, 0.5, 1].map((part) => percentile(retryAfter, part)),
    mostWithOneRetryAfter: Math.max(0, ...Object.values(countOf(retryAfter.map(String)))),
    sockets,
    warmRefused: countOf(during.warm.filter(({ status }) => status !== 200).map(outcomeOf)),
  };
  const afterArrival = ({ sentAt }: Answer) => sentAt > startedAt + ARRIVAL_MS;
  const later = { warm: during.warm.filter(afterArrival), health: during.health.filter(afterArrival) };
  const phases = { quiet, during, [`during, after ${ARRIVAL_MS / 1_000} s`]: later };
  const rows = Object.entries(phases).flatMap(([phase, byCall]) =>
    Object.entries(byCall).map(([calls, answers]) => {
      const took = answers.map(({ milliseconds }) => milliseconds);
      const figures = [0.5, 0.9, 0.99, 0.999].map((part) => percentile(took, part));
      return { calls, phase, count: took.length, milliseconds: figures };
    }),
  );
  printTable(
    `Cold crowd: ms a call while ${summary.tenants} tenants make their first call at once; ${describeMachine()}`,
    ['calls', 'phase', 'measured', 'p50', 'p90', 'p99', 'p99.9'],
    rows.map(({ calls, phase, count, milliseconds }) => [
      calls,
      phase,
      String(count),
      ...milliseconds.map((ms) => ms.toFixed(1)),
    ]),
  );
  process.stdout.write(`\n${JSON.stringify(summary, undefined, 1)}\n`);
  await writeResults('cold-crowd', [summary, ...rows]);
}

const [, , role] = process.argv;
await (role === 'site' ? serve() : role === 'crowd' ? beCrowd() : measure());

import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { addressMistake } from '../../src/compose/setting-mistakes.ts';
import { freePorts } from '../support/free-ports.ts';
import { CLIENTS, KeptClients } from '../support/kept-clients.ts';
import { type ProcessCrew, START_MS, startCrew } from '../support/process-crew.ts';
import { openProcessSite, type ProcessSite, recordsIn } from '../support/process-site.ts';
import { scrape } from '../support/scrape.ts';
import { until } from '../support/until.ts';

const LISTENING = 'all processes listen';
const REQUESTS = 'vaultspan_requests_total{operation="encrypt",status="2xx",code="none"}';
/** A killed connection fails so; nothing else may happen to a client. */
const BROKEN = ['200', 'ECONNRESET', 'EPIPE'];

let site: ProcessSite;
beforeAll(async () => {
  site = await openProcessSite();
});
afterAll(() => site.close());

interface Started {
  readonly crew: ProcessCrew;
  readonly http: { readonly port: number };
  readonly url: string;
  readonly metricsUrl: string;
  readonly config: string;
}

/** Starts so many processes, and waits until all serve. */
async function start(count: number, change: Record<string, unknown> = {}): Promise<Started> {
  const port = await freePorts(2);
  const http = { port, drainSeconds: 20 };
  const metrics = { enabled: true, port: port + 1 };
  const config = await site.writeConfig({ http, metrics, ...change });
  const crew = startCrew(config, count);
  await crew.logged(LISTENING);
  const metricsUrl = `http://127.0.0.1:${port + 1}/metrics`;
  return { crew, http, config, metricsUrl, url: `http://127.0.0.1:${port}` };
}

/** Returns the ids of successful requests in the audit records of each chain. */
async function recorded(config: string): Promise<Set<unknown>[]> {
  const chains = await recordsIn(site.auditFolder(config));
  return [...chains.values()].map(
    (records) => new Set(records.filter(({ outcome }) => outcome === 'succeeded').map(({ requestId }) => requestId)),
  );
}

/** Returns the acknowledged requests without an audit record. */
async function unrecorded(config: string, { acknowledged }: KeptClients): Promise<readonly string[]> {
  const chains = await recorded(config);
  return acknowledged.filter((id) => !chains.some((chain) => chain.has(id)));
}

const closings = async (config: string) =>
  [...(await recordsIn(site.auditFolder(config))).values()].map((records) => records.at(-1)?.['type']);

describe('several processes on one port', () => {
  test(
    'all serve, each with a chain and a number of its own in the log; one signal drains all',
    async () => {
      const { crew, http, url, config } = await start(2);
      await using _closing = crew;
      expect(await crew.pids()).toHaveLength(2);
      const clients = new KeptClients(http.port, site.token);
      await until(async () => (await recorded(config)).filter(({ size }) => size > 0).length === 2, 'both serve');
      await clients.stop();
      const listening = crew.lines().filter(({ msg }) => msg === 'listening');
      expect(listening.map(({ process: number }) => number).sort()).toEqual([1, 2]);
      crew.parent.kill('SIGTERM');
      const status = async () => (await fetch(`${url}/readyz`).catch(() => Response.error())).status;
      await until(async () => (await status()) === 503, 'readiness fails, while new connections are accepted');
      expect(await crew.exit).toEqual([0, null]);
      expect([...clients.outcomes.keys()]).toEqual(['200']);
      expect(await unrecorded(config, clients)).toEqual([]);
      expect(await closings(config)).toEqual(['close', 'close']);
    },
    2 * START_MS,
  );

  test(
    'a killed one is replaced, under load: no acknowledged request is lost, and no counter goes back',
    async () => {
      const { crew, http, config, metricsUrl } = await start(2);
      await using _closing = crew;
      const before = await crew.pids();
      const clients = new KeptClients(http.port, site.token);
      await until(async () => (await recorded(config)).filter(({ size }) => size > 0).length === 2, 'both serve');
      const counted = (await scrape(metricsUrl)).get(REQUESTS) ?? 0;
      expect(counted).toBeGreaterThan(0);
      process.kill(before[0] ?? 0, 'SIGKILL');
      await crew.logged('a process was replaced');
      expect((await scrape(metricsUrl)).get(REQUESTS)).toBeGreaterThanOrEqual(counted);
      const after = await crew.pids();
      expect([after.length, after.includes(before[0] ?? 0)]).toEqual([2, false]);
      const fresh = new KeptClients(http.port, site.token);
      await until(
        async () => (await recorded(config)).filter(({ size }) => size > 0).length === 3,
        'the new one serves',
      );
      await fresh.stop();
      await clients.stop();
      expect(clients.failures).toBeLessThanOrEqual(CLIENTS);
      expect([...clients.outcomes.keys()].filter((outcome) => !BROKEN.includes(outcome))).toEqual([]);
      expect(await unrecorded(config, clients)).toEqual([]);
      crew.parent.kill('SIGTERM');
      expect(await crew.exit).toEqual([0, null]);
      expect((await closings(config)).filter((type) => type === 'close')).toHaveLength(2);
    },
    2 * START_MS,
  );

  test(
    'SIGHUP replaces each while the others serve, without a lost answer, and their counts stay',
    async () => {
      const { crew, http, config, metricsUrl } = await start(2);
      await using _closing = crew;
      const before = await crew.pids();
      const clients = new KeptClients(http.port, site.token);
      await until(() => clients.answers > 0, 'a first answer');
      crew.parent.kill('SIGHUP');
      await crew.logged('all processes were replaced');
      const after = await crew.pids();
      expect([after.length, after.filter((pid) => before.includes(pid))]).toEqual([2, []]);
      const atRoll = clients.answers;
      await until(() => clients.answers > atRoll + CLIENTS, 'the new ones serve');
      await clients.stop();
      expect([...clients.outcomes.keys()]).toEqual(['200']);
      expect(await unrecorded(config, clients)).toEqual([]);
      // The processes of the roll said their last counts, so nothing is missing.
      expect((await scrape(metricsUrl)).get(REQUESTS)).toBe(clients.answers);
      crew.parent.kill('SIGTERM');
      expect(await crew.exit).toEqual([0, null]);
      expect(await closings(config)).toEqual(['close', 'close', 'close', 'close']);
    },
    2 * START_MS,
  );

  test(
    'a roll to a configuration that cannot be used leaves all processes in place',
    async () => {
      const { crew, url, config } = await start(2);
      await using _closing = crew;
      const before = await crew.pids();
      await writeFile(config, '{"http": {"prot": 1}}');
      crew.parent.kill('SIGHUP');
      await crew.logged('the new process did not start: the others stay');
      expect(crew.err()).toContain('http.prot: unknown setting; did you mean http.port?');
      expect(await crew.pids()).toEqual(before);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
    },
    2 * START_MS,
  );

  test(
    'one scrape has the sums of all, and the number of processes',
    async () => {
      const { crew, http, metricsUrl, config } = await start(2);
      await using _closing = crew;
      const clients = new KeptClients(http.port, site.token);
      await until(async () => (await recorded(config)).filter(({ size }) => size > 0).length === 2, 'both serve');
      await clients.stop();
      const series = await scrape(metricsUrl);
      expect(series.get(REQUESTS)).toBe(clients.answers);
      expect(series.get('vaultspan_request_duration_seconds_count{operation="encrypt"}')).toBe(clients.answers);
      expect(series.get('vaultspan_audit_records_total')).toBe(clients.answers);
      expect([...series].filter(([name]) => name.startsWith('vaultspan_build_info')).map(([, value]) => value)).toEqual(
        [2],
      );
      expect(series.get('vaultspan_registry_staleness_seconds')).toBeDefined();
    },
    2 * START_MS,
  );

  test(
    'a second signal ends all at once, while a request is still in progress',
    async () => {
      const { crew, http, url, config } = await start(2);
      await using _closing = crew;
      const headers = { Authorization: `Bearer ${site.token}`, 'Content-Type': 'application/octet-stream' };
      const req = request({ port: http.port, path: '/tenants/contoso/streams/encrypt', method: 'POST', headers });
      const failed = new Promise((resolve) => req.once('close', resolve)); // `once` of events fails on an error
      req.on('error', () => undefined).write(Buffer.alloc(3_000_000));
      req.on('response', (answer) => answer.on('error', () => undefined).resume());
      await once(req, 'response');
      crew.parent.kill('SIGTERM');
      await until(async () => (await fetch(`${url}/readyz`).catch(() => Response.error())).status !== 200, 'the drain');
      crew.parent.kill('SIGTERM');
      expect(await crew.exit).toEqual([0, null]);
      await failed;
      expect(await closings(config)).toEqual(['close', 'close']);
    },
    2 * START_MS,
  );

  test(
    'a killed parent leaves none behind: they drain and close their chains',
    async () => {
      const { crew, http, config } = await start(2);
      await using _closing = crew;
      const clients = new KeptClients(http.port, site.token);
      await until(() => clients.answers > 0, 'a first answer');
      crew.parent.kill('SIGKILL');
      await once(crew.parent, 'close'); // after the last process that holds its output
      await clients.stop();
      expect(await unrecorded(config, clients)).toEqual([]);
      expect([...clients.outcomes.keys()].filter((outcome) => ![...BROKEN, 'ECONNREFUSED'].includes(outcome))).toEqual(
        [],
      );
      expect(await closings(config)).toEqual(['close', 'close']);
    },
    2 * START_MS,
  );
});

describe('processes that cannot serve', () => {
  test(
    'of which each crashes are started again some times, and then end the parent with a reason',
    async () => {
      const crash = join(site.folder, 'crash');
      await rm(crash, { force: true });
      const config = await site.writeConfig({ http: { port: await freePorts(1), drainSeconds: 0 } });
      await using crew = startCrew(config, 2, { CRASH: crash });
      await crew.logged(LISTENING);
      await writeFile(crash, '');
      for (const pid of await crew.pids()) process.kill(pid, 'SIGKILL');
      expect(await crew.exit).toEqual([1, null]);
      expect(crew.err()).toMatch(
        /^vaultspan: 2 processes only crash: process \d ended 4 times in a row before it had served for 10 s, the last time with exit code 7\n$/,
      );
      const pauses = crew.lines().filter(({ msg }) => msg === 'a process ended; it is replaced');
      expect(pauses.map(({ pauseMs }) => pauseMs)).toEqual(expect.arrayContaining([0, 1, 2]));
    },
    2 * START_MS,
  );

  test(
    'because of the configuration end the parent with one message and exit code 2',
    async () => {
      const port = await freePorts(1);
      const database = { file: join(site.folder, 'ca.pem', 'vaultspan.db') };
      const config = await site.writeConfig({ http: { port }, registry: {}, database });
      await using crew = startCrew(config, 2);
      expect(await crew.exit).toEqual([2, null]);
      expect(crew.err()).toMatch(/^A setting of the configuration cannot be used: database\.file: [^\n]*\n$/);
    },
    2 * START_MS,
  );

  test(
    'because the port is another one’s end the parent with that message and exit code 2',
    async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      const config = await site.writeConfig({ http: { port } });
      await using crew = startCrew(config, 2);
      expect(await crew.exit).toEqual([2, null]);
      expect(crew.err()).toMatch(
        /^A setting of the configuration cannot be used: http\.port: [^\n]* is in use[^\n]*\n$/,
      );
      other.close();
    },
    2 * START_MS,
  );
});

test('a platform that cannot share a port is named with the setting to change', () => {
  const error = Object.assign(new Error('listen ENOTSUP'), { code: 'ENOTSUP', syscall: 'listen' });
  expect(addressMistake('http', { host: '127.0.0.1', port: 8080 })(error)).toBe(
    'http.processes: this platform cannot share a port among processes, as Linux can: set 1, without http.reusePort',
  );
});

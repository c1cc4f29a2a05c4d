import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { addCustomers, changeTenant } from '../test/support/customers.ts';
import { startService } from '../test/support/start-service.ts';
import { median, percentile } from '../test/support/statistics.ts';

/**
 * Duration of one tenant's requests alone, with a healthy neighbour, and with one whose vault hangs
 * while its callers retry. Service and emulated Azure share one process, the callers have another.
 */
const ROUNDS = 8;
const PHASE_MS = 2_000;
const WARM_EVERY_MS = 5;
const COLD_EVERY_MS = 25;
/**
 * The neighbour's callers; each pauses this long after an answer, give or take a half, whatever its
 * Retry-After is.
 */
const CALLERS = 50;
const PAUSE_MS = 100;
/** The deadline of a vault call, after which the breaker opens. */
const UNTIL_OPEN_MS = 11_000;

const COLD = Math.ceil((ROUNDS * 3 * PHASE_MS) / COLD_EVERY_MS) + 100;
const plaintext = Buffer.alloc(1_024, 7).toString('base64');

interface ServiceAddress {
  readonly url: string;
  readonly token: string;
}

/**
 * Starts the service with its tenants: `measured` and `cold` have healthy vaults, `healthy` and
 * `hanging` are the neighbours.
 */
async function serve(): Promise<void> {
  await using service = await startService({ config: { telemetry: { logLevel: 'warn' } } });
  await addCustomers(service, ['measured', 'cold', 'healthy', 'hanging']);
  // A data key for each message: each ciphertext needs an unwrap of its own.
  for (const id of ['cold', 'hanging']) {
    await changeTenant(service, id, (tenant) => ({ ...tenant, dataKeys: { mode: 'perMessage' } }));
  }
  const site: ServiceAddress = {
    url: service.url,
    token: await service.emulator.issueCallerToken({ expiresInSeconds: 86_400 }),
  };
  process.send?.(site);
  process.on('message', (at: string) => void service.emulator.control.injectFault({ at, kind: 'hang' }));
  await once(process, 'disconnect');
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, string | undefined>>;
}

class Callers {
  readonly #site: ServiceAddress;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 200 });

  constructor(site: ServiceAddress) {
    this.#site = site;
  }

  async post(path: string, body: object): Promise<Answer> {
    const text = JSON.stringify(body);
    const { url, token } = this.#site;
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    };
    return new Promise((resolve, reject) => {
      const sent = request(`${url}${path}`, { method: 'POST', agent: this.#agent, headers }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () =>
          resolve({
            status: res.statusCode ?? 0,
            body: JSON.parse(Buffer.concat(chunks).toString()) as Answer['body'],
          }),
        );
      });
      sent.on('error', reject).end(text);
    });
  }

  encrypt(tenant: string): Promise<Answer> {
    return this.post(`/tenants/${tenant}/encrypt`, { plaintext });
  }

  decrypt(tenant: string, ciphertext: string): Promise<Answer> {
    return this.post(`/tenants/${tenant}/decrypt`, { ciphertext });
  }

  /**
   * Returns the milliseconds of each request; they are sent on time, whether earlier ones are
   * answered or not.
   */
  async paced(everyMs: number, send: () => Promise<Answer>): Promise<number[]> {
    const took: Promise<number>[] = [];
    const startedAt = performance.now();
    for (let at = startedAt; at < startedAt + PHASE_MS; at += everyMs) {
      const waitMs = at - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      const sentAt = performance.now();
      took.push(
        send().then(({ status }) => {
          if (status !== 200) throw new Error(`A request that should succeed was answered ${status}`);
          return performance.now() - sentAt;
        }),
      );
    }
    return Promise.all(took);
  }

  /** Starts callers that continue until they are stopped, and counts their answers by code. */
  neighbours(send: () => Promise<Answer>): () => Promise<Map<string, number>> {
    const answers = new Map<string, number>();
    const stopped = new AbortController();
    const callers = Array.from({ length: CALLERS }, async () => {
      while (!stopped.signal.aborted) {
        const { status, body } = await send();
        const outcome = status === 200 ? '200' : `${body['code']} ${body['reason'] ?? ''}`.trim();
        answers.set(outcome, (answers.get(outcome) ?? 0) + 1);
        await sleep(PAUSE_MS * (0.5 + Math.random())); // otherwise all would start at once
      }
    });
    return async () => {
      stopped.abort();
      // Requests that hang with the vault are abandoned.
      await Promise.race([Promise.all(callers), sleep(PAUSE_MS * 2)]);
      return answers;
    };
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function seal(callers: Callers, tenant: string, count: number): Promise<string[]> {
  const sealed: string[] = [];
  for (let n = 0; n < count; n += 1) sealed.push((await callers.encrypt(tenant)).body['ciphertext'] ?? '');
  return sealed;
}

const COLUMNS = ['warm p50', 'warm p99', 'cold p50', 'cold p99'];

/**
 * Returns the ratio to the measurement without neighbours in the same round, because other work on
 * the machine varies.
 */
const ratio = (rounds: readonly number[][], alone: readonly number[][], at: number): number =>
  median(rounds.map((round, index) => (round[at] ?? Number.NaN) / (alone[index]?.[at] ?? Number.NaN)));

async function measure(): Promise<void> {
  const service = fork(import.meta.filename, ['service']);
  const [site] = (await once(service, 'message')) as [ServiceAddress];
  const callers = new Callers(site);
  const cold = await seal(callers, 'cold', COLD);
  const stuck = await seal(callers, 'hanging', 500);
  const anyStuck = () => callers.decrypt('hanging', stuck[Math.floor(Math.random() * stuck.length)] ?? '');
  for (let n = 0; n < 2_000; n += 1) await callers.encrypt('measured');
  await callers.encrypt('healthy');
  service.send('hanging');
  const untilOpen = callers.neighbours(anyStuck);
  await sleep(UNTIL_OPEN_MS);
  await untilOpen();

  const phases: Readonly<Record<string, (() => Promise<Answer>) | undefined>> = {
    alone: undefined,
    'beside a healthy neighbour': () => callers.encrypt('healthy'),
    'beside a hanging vault': anyStuck,
  };
  const figures = new Map(Object.keys(phases).map((name) => [name, [] as number[][]]));
  const answers = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, send] of Object.entries(phases)) {
      const stop = send && callers.neighbours(send);
      const [warmMs, coldMs] = await Promise.all([
        callers.paced(WARM_EVERY_MS, () => callers.encrypt('measured')),
        callers.paced(COLD_EVERY_MS, () => callers.decrypt('cold', cold.pop() ?? '')),
      ]);
      figures.get(name)?.push([warmMs, coldMs].flatMap((ms) => [percentile(ms, 0.5), percentile(ms, 0.99)]));
      const counted = await stop?.();
      if (send === anyStuck)
        for (const [code, count] of counted ?? []) answers.set(code, (answers.get(code) ?? 0) + count);
    }
  }
  printTable(
    `Neighbours: ms a request, medians of ${ROUNDS} rounds of ${PHASE_MS / 1_000} s, warm encrypt 1 KiB ${1_000 / WARM_EVERY_MS}/s and cold decrypt ${1_000 / COLD_EVERY_MS}/s, ${CALLERS} callers next door; ${describeMachine()}`,
    ['', ...COLUMNS, 'warm p99, ratio', 'cold p99, ratio'],
    [...figures].map(([name, rounds]) => [
      name,
      ...COLUMNS.map((_column, at) => median(rounds.map((round) => round[at] ?? Number.NaN)).toFixed(2)),
      ...[1, 3].map((at) => ratio(rounds, figures.get('alone') ?? [], at).toFixed(2)),
    ]),
  );
  await writeResults(
    'neighbours',
    [...figures].map(([name, rounds]) => ({ name, columns: COLUMNS, rounds })),
  );
  process.stdout.write(
    `\nWhat the callers of the hanging vault were told: ${JSON.stringify(Object.fromEntries(answers))}\n`,
  );
  callers.close();
  service.disconnect();
  await once(service, 'exit');
}

const [, , role] = process.argv;
await (role === 'service' ? serve() : measure());

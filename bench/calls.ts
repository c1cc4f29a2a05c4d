import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Agent, request } from 'node:http';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** sched(7) */
const SCHED_RR = 2;

/** A service in a process of its own, beside an emulated Azure in another. */
export interface Site {
  readonly url: string;
  readonly token: string;
  readonly servicePid: number;
  readonly emulatorPid: number;
  readonly tenants: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly retryAfter: number;
  readonly reason: string;
  readonly sentAt: number;
  readonly milliseconds: number;
}

export const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });

/** Returns the answer with the time from sending to its end. */
export function send(
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
  connections = agent,
): Promise<Answer> {
  const sentAt = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: body === undefined ? 'GET' : 'POST', agent: connections, headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { reason } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly reason?: string };
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: Number(response.headers['retry-after'] ?? 0),
            reason: reason ?? '',
            sentAt,
            milliseconds: performance.now() - sentAt,
          });
        });
      },
    );
    sent.on('error', reject).end(body);
  });
}

/** Calls at a steady rate, whether the one before is answered or not, until `stop`; returns all answers. */
export function paced(everyMs: number, call: (turn: number) => Promise<Answer>): () => Promise<readonly Answer[]> {
  const answers: Promise<Answer>[] = [];
  const stopped = new AbortController();
  const loop = (async () => {
    const startedAt = performance.now();
    for (let turn = 0; !stopped.signal.aborted; turn += 1) {
      const waitMs = startedAt + turn * everyMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      answers.push(call(turn));
    }
  })();
  return async () => {
    stopped.abort();
    await loop;
    return Promise.all(answers);
  };
}

/** Returns the CPU time of a process, all threads, in milliseconds (proc(5): fields 14 and 15, 100 a second). */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/**
 * If the benchmark runs under SCHED_RR (`chrt -r`), schedules the measured calls, the service, and the emulated Azure before the other
 * callers: those stand for other machines. Of the service's threads, V8's helpers come last: they would keep a processor for 100 ms,
 * which a fair scheduler does not let them. Its I/O threads come before its main thread: of equal threads, the waiting one gets the
 * processor only after 100 ms, so that each write of the audit waited that long whenever the main thread was busy.
 */
export function scheduleFirst({ servicePid, emulatorPid }: Site): void {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  const [priority = 0, policy = 0] = fields.slice(37, 39).map(Number); // proc(5): fields 40 and 41
  if (policy !== SCHED_RR) return;
  const schedule = (id: string | number, steps: number) =>
    execFileSync('chrt', ['--rr', '--pid', String(priority + steps), String(id)]);
  for (const thread of readdirSync(`/proc/${servicePid}/task`)) {
    const name = readFileSync(`/proc/${servicePid}/task/${thread}/comm`, 'utf8');
    schedule(thread, stepsOf(name));
  }
  schedule(emulatorPid, 1);
  schedule(process.pid, 4);
}

const stepsOf = (thread: string): number => {
  if (thread.includes('V8Worker')) return 1;
  return thread.includes('libuv-worker') ? 3 : 2;
};

/** Returns the sockets that a process has open. */
export function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  const isSocket = (fd: string) => {
    try {
      return readlinkSync(`${folder}/${fd}`).startsWith('socket:');
    } catch {
      return false; // closed since
    }
  };
  return readdirSync(folder).filter(isSocket).length;
}

export const post = ({ url, token }: Site, path: string, body: string, connections?: Agent): Promise<Answer> =>
  send(`${url}${path}`, { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }, body, connections);

export const outcomeOf = ({ status, reason }: Answer): string => `${status} ${reason}`.trim();

/** Returns the resident memory of a process. */
export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
}

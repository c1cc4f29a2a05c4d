import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import process from 'node:process';

/** The report of a measured process. */
interface Usage {
  /** CPU time of the whole process, user and system. */
  readonly cpuMicroseconds: number;
  readonly residentBytes: number;
}

/** A server in a process of its own, which reports its usage on request. */
export interface MeasuredServer {
  readonly url: string;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** Runs in the measured process: reports its address, then answers each question. */
export function answerCpuQuestions(url: string): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMicroseconds: user + system, residentBytes: process.memoryUsage.rss() } satisfies Usage);
  });
  process.once('disconnect', () => process.exit()); // the parent has ended
  process.send?.({ url });
}

/** A measured server that is one process. */
export interface MeasuredProcess extends MeasuredServer {
  readonly pid: number;
}

export async function startMeasured(file: string, args: readonly string[]): Promise<MeasuredProcess> {
  const child = fork(file, args, {
    execArgv: (process.env['BENCH_NODE_OPTIONS'] ?? '').split(' ').filter(Boolean),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const { url } = await messageOf<{ readonly url: string }>(child);
  return {
    url,
    pid: child.pid ?? 0,
    usage: () => {
      const usage = messageOf<Usage>(child);
      child.send('usage');
      return usage;
    },
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

const PAGE_BYTES = 4_096;

/**
 * Returns the usage of any process on this machine, from proc(5). The CPU time is the sum of its
 * threads' in nanoseconds; `stat` has hundredths of a second, which are too coarse for short turns.
 */
export async function usageOf(pid: number): Promise<Usage> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')));
  const pages = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')[1];
  const nanoseconds = times.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0);
  return { cpuMicroseconds: nanoseconds / 1_000, residentBytes: Number(pages) * PAGE_BYTES };
}

async function messageOf<T>(child: ChildProcess): Promise<T> {
  const answered = new AbortController();
  const { signal } = answered;
  const failed = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the measured server ended with ${String(code)}`);
  });
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal }), failed])) as [T];
    return message;
  } finally {
    answered.abort();
    failed.catch(() => undefined);
  }
}

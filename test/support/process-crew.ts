import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { until } from './until.ts';

/** Longest start of several processes on a busy machine. */
export const START_MS = 120_000;

/** The parent of several processes, as `vaultspan serve --processes N` is. */
export interface ProcessCrew extends AsyncDisposable {
  readonly parent: ChildProcess;
  /** Resolves with code and signal of the parent. */
  readonly exit: Promise<unknown[]>;
  /** Returns the log lines so far. */
  lines(): readonly Record<string, unknown>[];
  err(): string;
  /** Returns the ids of the processes that the parent has now. */
  pids(): Promise<readonly number[]>;
  /** Resolves when a line with this message was logged so many times. */
  logged(message: string, times?: number): Promise<void>;
}

/** Starts `serve --processes`, without waiting until it serves. */
export function startCrew(
  config: string,
  processes: number | string,
  env: Readonly<Record<string, string>> = {},
): ProcessCrew {
  const script = join(import.meta.dirname, 'serve-emulated.ts');
  const args = [script, 'serve', '--processes', String(processes), '--config', config];
  const parent = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(parent, 'exit');
  const closed = once(parent, 'close'); // after the last process with its output
  let [out, err] = ['', ''];
  parent.stdout.on('data', (text) => {
    out += text;
  });
  parent.stderr.on('data', (text) => {
    err += text;
  });
  const lines = () =>
    out
      .slice(0, out.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    parent,
    exit,
    lines,
    err: () => err,
    pids: async () => childrenOf(parent.pid ?? 0),
    logged: (message, times = 1) =>
      until(
        () => {
          if (parent.exitCode !== null) throw new Error(`the parent ended with ${parent.exitCode}: ${err}`);
          return lines().filter(({ msg }) => msg === message).length >= times;
        },
        message,
        START_MS,
      ),
    [Symbol.asyncDispose]: async () => {
      if (parent.exitCode === null && parent.signalCode === null) {
        const pids = await childrenOf(parent.pid ?? 0);
        for (const pid of [parent.pid ?? 0, ...pids]) killIfRunning(pid);
      }
      await closed;
    },
  };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

function killIfRunning(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

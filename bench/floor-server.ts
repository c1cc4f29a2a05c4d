import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { type MeasuredServer, usageOf } from './cpu.ts';

/** Starts the program of bench/floor, whose first line is its address. */
export async function startFloor(program: string): Promise<MeasuredServer> {
  const child = spawn(program, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill()); // also when the benchmark fails
  const lines = createInterface(child.stdout);
  const [url] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown];
  if (typeof url !== 'string') throw new Error(`${program} ended with ${String(url)}`);
  return {
    url,
    usage: () => usageOf(child.pid ?? 0),
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

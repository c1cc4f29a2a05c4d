import { execFile, spawn } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { Scenario } from '../scenario.ts';
import { NEWCOMER } from '../tenants.ts';

/**
 * Returns the URL of the server that scripts/postgres.sh has started: its folder is the host of the
 * URL.
 */
const serverUrl = (): string => process.env['TEST_DATABASE_URL'] ?? '';
const dataFolder = (): string => `${new Client(serverUrl()).host}/data`;

async function crash(): Promise<void> {
  const pid = Number((await readFile(`${dataFolder()}/postmaster.pid`, 'utf8')).split('\n')[0]);
  process.kill(pid, 'SIGQUIT'); // PostgreSQL's immediate shutdown: like a crash
  while (await readlink(`/proc/${pid}/exe`).catch(() => undefined)) await sleep(20);
}

/** Starts the server as it was first started; the file has the command, quoted for a shell. */
async function start(): Promise<void> {
  const command = await readFile(`${dataFolder()}/postmaster.opts`, 'utf8');
  const shell = ['sh', '-c', `cd "$0" && exec ${command.trim()} >>../log 2>&1`, dataFolder()];
  const [file = '', ...args] = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...shell] : shell;
  spawn(file, args, { stdio: 'ignore', detached: true }).unref();
  const isReady = async () => {
    const client = new Client(serverUrl());
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  };
  while (!(await isReady())) await sleep(50);
}

export const DATABASE: readonly Scenario[] = [
  {
    name: 'PostgreSQL crashes',
    trouble: 'the database of tenants and audit records is killed, and started again 4.5 s later',
    hasDatabase: true,
    newcomers: [NEWCOMER],
    seen: { [NEWCOMER.name]: ['registry-unavailable'] },
    obstacle: async () => {
      const hasTools =
        process.getuid?.() !== 0 || (await promisify(execFile)('runuser', ['--version']).catch(() => false));
      if (!hasTools) return 'there is no runuser';
      return process.platform === 'linux' && serverUrl() !== ''
        ? undefined
        : 'there is no PostgreSQL of scripts/postgres.sh';
    },
    begin: crash,
    end: start,
  },
];

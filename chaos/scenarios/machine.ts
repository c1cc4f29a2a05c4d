import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Scenario } from '../scenario.ts';
import { GROUPS, NEWCOMER } from '../tenants.ts';

const run = promisify(execFile);
const limitFiles = async (pid: number, bytes: number | 'unlimited'): Promise<void> => {
  await run('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
};

const toAll = (code: string) => Object.fromEntries(GROUPS.map(({ name }) => [name, [code]]));
const FROZEN_MS = 3_000;
const WRONG_SECONDS = 600;

/** The machine and the processes on it. */
export const MACHINE: readonly Scenario[] = [
  {
    name: 'clock jumps',
    trouble: `the wall clock goes ${WRONG_SECONDS} s ahead, then as much behind, then right again; a tenant's first call meanwhile`,
    newcomers: [NEWCOMER],
    seen: {},
    begin: async ({ services }) => {
      for (const service of services) await service.ask({ ask: 'setWall', seconds: WRONG_SECONDS });
      await sleep(2_000);
      for (const service of services) await service.ask({ ask: 'setWall', seconds: -2 * WRONG_SECONDS });
    },
    end: async ({ services }) => {
      for (const service of services) await service.ask({ ask: 'setWall', seconds: WRONG_SECONDS });
    },
  },
  {
    name: 'process frozen',
    trouble: `the process is stopped for ${FROZEN_MS / 1_000} s and goes on (SIGSTOP, SIGCONT)`,
    seconds: 1,
    // Otherwise calls that the vault has answered meanwhile would time out.
    config: { vault: { deadlineSeconds: 10 } },
    seen: {},
    begin: async ({ services }) => {
      for (const service of services) service.signal('SIGSTOP');
      await sleep(FROZEN_MS);
      for (const service of services) service.signal('SIGCONT');
    },
    end: async () => undefined,
  },
  {
    name: 'disk full',
    trouble: "the audit log's file can't grow (RLIMIT_FSIZE, which needs no root)",
    seen: toAll('audit-unavailable'),
    obstacle: () =>
      run('prlimit', ['--version']).then(
        () => undefined,
        () => 'there is no prlimit (util-linux)',
      ),
    begin: async ({ services }) => {
      for (const { pid } of services) await limitFiles(pid, 1);
    },
    end: async ({ services }) => {
      for (const { pid } of services) await limitFiles(pid, 'unlimited');
    },
  },
  {
    name: 'process killed',
    trouble: 'one of two processes on one port is killed (SIGKILL), and started again 4.5 s later',
    processes: 2,
    seen: {},
    mayLose: GROUPS.reduce((sum, { callers }) => sum + callers, 0),
    begin: async ({ services }) => {
      await services[1]?.kill();
    },
    end: async (stage) => {
      stage.services[1] = await stage.startService();
    },
  },
];

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePorts } from '../support/free-ports.ts';
import { CLIENTS, KeptClients } from '../support/kept-clients.ts';
import { openProcessSite, type ProcessSite, recordsIn } from '../support/process-site.ts';
import { until } from '../support/until.ts';

let site: ProcessSite;
beforeAll(async () => {
  site = await openProcessSite();
});
afterAll(() => site.close());

interface SharingProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Returns the number of recorded operations. */
  served(): Promise<number>;
}

async function start(http: object): Promise<SharingProcess> {
  const file = await site.writeConfig({ http });
  const script = join(import.meta.dirname, '..', 'support', 'service-process.ts');
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    child,
    served: async () => {
      const chains = await recordsIn(site.auditFolder(file));
      return [...chains.values()].flat().filter(({ outcome }) => outcome === 'succeeded').length;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
}

test('two processes share a port: draining one loses no request, killing one loses only those on its connections', async () => {
  const http = { port: await freePorts(1), reusePort: true, drainSeconds: 10 };
  await using staying = await start(http);
  await using drained = await start(http);
  const load = new KeptClients(http.port, site.token);
  const bothServe = async (...both: readonly SharingProcess[]) =>
    (await Promise.all(both.map((one) => one.served()))).every((count) => count > 0);
  await until(() => bothServe(staying, drained), 'both serve');
  drained.child.kill('SIGTERM');
  expect(await once(drained.child, 'exit')).toEqual([0, null]);
  const atExit = load.answers;
  await until(() => load.answers > atExit + 10 * CLIENTS, 'the other one goes on');
  await load.stop();
  expect([...load.outcomes.keys()]).toEqual(['200']);

  await using killed = await start(http);
  const further = new KeptClients(http.port, site.token);
  await until(() => bothServe(staying, killed), 'both serve');
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  const atDeath = further.answers;
  await until(() => further.answers > atDeath + 10 * CLIENTS, 'the other one goes on');
  await further.stop();
  expect(further.failures).toBeLessThanOrEqual(CLIENTS);
  expect([...further.outcomes.keys()].filter((outcome) => !['200', 'ECONNRESET', 'EPIPE'].includes(outcome))).toEqual(
    [],
  );
});

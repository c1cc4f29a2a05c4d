import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../test/support/free-ports.ts';
import { type Container, runIn } from './container.ts';
import type { Image } from './image.ts';

const START_MS = 120_000;
/** The grace period that the manifests of deploy/ give a container. */
const DRAIN_MS = 30_000;
/** One for the service, and room for the emulator's, which are neighbours. */
const PORTS = 16;

/**
 * Runs an image and returns what is wrong with it: its user, its read-only root, its health check,
 * its command, the accelerator, an encryption and the end by SIGTERM. The service runs on the
 * emulated Azure.
 */
export async function faultsOfRun(image: Image): Promise<readonly string[]> {
  const state = mkdtempSync(join(tmpdir(), 'image-state-'));
  chownSync(state, 1000, 1000);
  const port = await freePorts(PORTS);
  const options = ['--port', `${port}`, '--emulator-port', `${port + 2}`, '--log-level', 'info'];
  const service = runIn(image, state, [...image.entrypoint, 'dev', ...options]);
  try {
    return await faultsOfService(image, state, service, `http://127.0.0.1:${port}`);
  } finally {
    service.kill('SIGKILL');
    await service.ended;
    rmSync(state, { recursive: true });
  }
}

async function faultsOfService(image: Image, state: string, service: Container, url: string): Promise<readonly string[]> {
  if (!(await isReady(service, url))) return [`the image does not start: ${service.output().slice(-1_000)}`];
  const faults: string[] = [];
  const expect = (isRight: boolean, fault: string): void => {
    if (!isRight) faults.push(fault);
  };
  const status = service.status();
  expect(/^Uid:\t1000\t1000\t1000\t1000$/m.test(status), 'the service does not run as user 1000');
  expect(/^CapEff:\t0+$/m.test(status) && /^NoNewPrivs:\t1$/m.test(status), 'the service has privileges');
  const writing = await run(image, state, ['node', '--eval', 'fs.writeFileSync("/app/dist/written", "")']);
  expect(writing.output.includes('EROFS'), `the root is not read-only: ${writing.output.slice(-200)}`);
  expect(service.output().includes('AES-256-GCM of short messages is native'), 'the native accelerator is not chosen');

  const [, ...check] = image.healthcheck;
  const healthy = await run(image, state, check);
  expect(healthy.code === 0, `HEALTHCHECK ends with ${healthy.code} beside a healthy service: ${healthy.output}`);
  expect(await encrypts(image, state, url), 'an encryption does not come back');
  for (const page of ['/docs/', '/console/']) {
    const { status: answered } = await fetch(`${url}${page}`);
    expect(answered === 200, `${page} answers ${answered}`);
  }
  // `serve` refuses the emulator's configuration: so it has read the file that CMD names.
  const served = await run(image, state, [...image.entrypoint, ...image.command]);
  expect(served.output.includes('this configuration allows the emulator'), `CMD: ${served.output.slice(-300)}`);

  service.kill('SIGTERM');
  const end = await Promise.race([service.ended, sleep(DRAIN_MS, 'nothing', { ref: false })]);
  expect(end === 0, `SIGTERM: the service ended with ${end} within ${DRAIN_MS / 1_000} s`);
  if (end !== 0) return faults;
  const down = await run(image, state, check);
  expect(down.code === 1, `HEALTHCHECK ends with ${down.code} without a service`);
  return faults;
}

async function isReady(service: Container, url: string): Promise<boolean> {
  const deadline = performance.now() + START_MS;
  let hasEnded = false;
  void service.ended.then(() => {
    hasEnded = true;
  });
  while (!hasEnded && performance.now() < deadline) {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    if (answer?.status === 200) return true;
    await sleep(200);
  }
  return false;
}

async function encrypts(image: Image, state: string, url: string): Promise<boolean> {
  const { output } = await run(image, state, [...image.entrypoint, 'token']);
  const headers = { authorization: `Bearer ${output.trim()}`, 'content-type': 'application/json' };
  const call = async (name: string, body: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}/tenants/contoso/${name}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  };
  const plaintext = Buffer.from('image').toString('base64');
  const { ciphertext } = await call('encrypt', { plaintext });
  const decrypted = await call('decrypt', { ciphertext });
  return decrypted['plaintext'] === plaintext;
}

async function run(image: Image, state: string, args: readonly string[]) {
  const container = runIn(image, state, args);
  return { code: await container.ended, output: container.output() };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../test/support/free-ports.ts';
import { type MeasuredServer, usageOf } from './cpu.ts';
import type { Call } from './data-rows.ts';

const ROOT = 'root-of-the-benchmark';
const READY_TRIES = 100;
const TRANSIT: Readonly<Record<string, string>> = {
  '/tenants/contoso/encrypt': '/v1/transit/encrypt/data',
  '/tenants/contoso/decrypt': '/v1/transit/decrypt/data',
  '/tenants/contoso/data-keys': '/v1/transit/datakey/plaintext/data',
  '/tenants/contoso/batch/encrypt': '/v1/transit/encrypt/data',
  '/tenants/contoso/batch/decrypt': '/v1/transit/decrypt/data',
  '/tenants/contoso/batch/rewrap': '/v1/transit/rewrap/data',
};

/** OpenBao with its transit engine. */
interface BaoServer extends MeasuredServer {
  readonly version: string;
  /**
   * The root token, whose requests are the cheapest: no policy is evaluated. Those of a token with
   * a policy for transit and the default policy took 2.7 times as much.
   */
  readonly token: string;
}

/** Returns the path and the body of a request that does there what this one does here. */
export function transitRequest(path: string, body: unknown): { readonly path: string; readonly body: object } {
  const transitPath = TRANSIT[path];
  if (transitPath === undefined) throw new Error(`transit has nothing for ${path}`);
  const { items, ...single } = body as Item & { readonly items?: readonly Item[] };
  return { path: transitPath, body: items ? { batch_input: items.map(withoutKey) } : withoutKey(single) };
}

interface Item {
  readonly key?: string;
}

/** The transit engine has the key in its path. */
const withoutKey = ({ key: _key, ...item }: Item): object => item;

/** Returns a call that takes our requests and gives our answers. */
export const transitCall =
  ({ url, token }: BaoServer): Call =>
  async (path, body) => {
    const request = transitRequest(path, body);
    return dataOf(await send(url, token, request.path, request.body));
  };

/** Starts a server in development mode, with an audit log in a file or without one. */
export async function startBao(bao: string, isAudited: boolean): Promise<BaoServer> {
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-bench-bao-'));
  const config = join(folder, 'audit.hcl');
  const file = join(folder, 'audit.log');
  await writeFile(
    config,
    isAudited ? `audit "file" "to-file" {\n  options {\n    file_path = "${file}"\n  }\n}\n` : '',
  );
  const address = `127.0.0.1:${await freePorts(1)}`;
  const args = [`-dev-listen-address=${address}`, `-dev-root-token-id=${ROOT}`, '-dev-no-store-token'];
  const child = spawn(bao, ['server', '-dev', ...args, `-config=${config}`, '-log-level=error'], {
    env: { ...process.env, HOME: folder },
    stdio: 'ignore',
  });
  process.once('exit', () => child.kill()); // also when the benchmark fails
  const url = `http://${address}`;
  const { version } = await ready(url);
  await send(url, ROOT, '/v1/sys/mounts/transit', { type: 'transit' });
  await send(url, ROOT, '/v1/transit/keys/data', { type: 'aes256-gcm96' });
  return {
    url,
    version: String(version),
    token: ROOT,
    usage: () => usageOf(child.pid ?? 0),
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ready(url: string): Promise<Record<string, unknown>> {
  for (let tries = 0; tries < READY_TRIES; tries += 1) {
    const response = await fetch(`${url}/v1/sys/health`).catch(() => undefined);
    if (response?.ok) return (await response.json()) as Record<string, unknown>;
    await sleep(100);
  }
  throw new Error('OpenBao does not start');
}

async function send(url: string, token: string, path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`OpenBao's ${path} answers ${response.status}: ${text}`);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

const dataOf = ({ data }: Record<string, unknown>) => data as Record<string, unknown>;

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { bareEnv } from '../support/child-env.ts';
import { settingsFor } from '../support/config.ts';
import { startTrusted } from '../support/emulator-clients.ts';
import { freePorts } from '../support/free-ports.ts';
import { runCli } from '../support/run-cli.ts';
import { tenantsOf } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const LIMIT_MS = 120_000;
/** Of the service, the control listener, Entra and five vaults. */
const PORTS = 8;

let emulator: Emulator;
let folder: string;
let proxy: Server;
let proxyUrl: string;
/** The hosts of the requested connections. */
let connected: string[];
beforeAll(async () => {
  emulator = await startTrusted();
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-'));
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  await writeFile(join(folder, 'tenants.json'), JSON.stringify(tenantsOf(emulator)));
  await writeFile(join(folder, 'config.json'), JSON.stringify(settingsFor(emulator, folder)));
  proxy = createServer().on('connect', ({ url = '' }, socket) => {
    connected.push(url);
    if (url.endsWith(':443')) return socket.destroy();
    const upstream = connect(Number(url.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [upstream, socket]) end.on('error', () => undefined);
    return undefined;
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
beforeEach(() => {
  connected = [];
  emulator.control.clearRequests();
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await emulator.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs one command in a process of its own; NO_PROXY in `env` replaces the environment's. */
function run(args: readonly string[], env: Record<string, string>): Promise<number> {
  const options = { cwd: folder, env: { ...bareEnv(), ...env }, timeout: LIMIT_MS };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args, '--config', 'config.json'], options, (error) => {
      resolve(error === null ? 0 : Number(error.code));
    });
  });
}

const hostOf = (url: string) => new URL(url).host;
const ELSEWHERE = { NO_PROXY: 'elsewhere.example' };
const commands = [
  ['check-config', '--online'],
  ['check', 'contoso'],
];

describe.each(commands)('%s %s', (...args) => {
  test.each(['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'HTTP_PROXY'])(
    'goes through the proxy of %s',
    async (name) => {
      expect(await run(args, { [name]: proxyUrl, ...ELSEWHERE })).toBe(0);
      expect(connected).toContain(hostOf(emulator.authorityHost));
      expect(connected).toContain(hostOf(emulator.homeVaultUrl));
    },
    2 * LIMIT_MS,
  );

  test(
    'makes no direct call while the proxy is unreachable',
    async () => {
      expect(await run(args, { HTTPS_PROXY: 'http://127.0.0.1:1', ...ELSEWHERE })).not.toBe(0);
      expect(emulator.control.requests()).toEqual([]);
    },
    2 * LIMIT_MS,
  );

  test(
    'goes directly if NO_PROXY names the host',
    async () => {
      expect(await run(args, { HTTPS_PROXY: proxyUrl, NO_PROXY: 'elsewhere.example, .localhost' })).toBe(0);
      expect(connected).toEqual([]);
    },
    2 * LIMIT_MS,
  );
});

test(
  'an invalid proxy address is a configuration error',
  async () => {
    expect(await run(['check-config'], { HTTPS_PROXY: 'proxy.example:8080' })).toBe(2);
  },
  2 * LIMIT_MS,
);

describe('a running service', () => {
  test(
    'sends its calls of Graph, of the webhook and of telemetry through the proxy',
    async () => {
      const port = await freePorts(PORTS);
      const args = [MAIN, 'dev', '--port', `${port}`, '--emulator-port', `${port + 2}`];
      const env = {
        ...bareEnv(),
        HTTPS_PROXY: proxyUrl,
        NO_PROXY: 'elsewhere.example',
        // The proxy ends these calls: no packet leaves the machine.
        VAULTSPAN_CLOUD_GRAPH_ENDPOINT: 'https://graph.microsoft.com',
        VAULTSPAN_ROUNDS_WEBHOOK_URL: 'https://webhook.example/hook',
        VAULTSPAN_TELEMETRY_OTLP_ENDPOINT: 'https://otlp.example',
      };
      const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        let out = '';
        child.stdout.on('data', (text) => {
          out += text;
        });
        await until(() => out.includes('Stop with Ctrl-C'), 'the welcome', LIMIT_MS);
        const token = runCli(['token'], { cwd: folder });
        expect([await token.exitCode, token.err()]).toEqual([0, '']);
        const headers = { Authorization: `Bearer ${token.out().trim()}` };
        await fetch(`http://127.0.0.1:${port}/tenants/contoso/directory`, { headers });
        for (const host of ['graph.microsoft.com:443', 'webhook.example:443', 'otlp.example:443']) {
          await until(() => connected.includes(host), host, LIMIT_MS);
        }
      } finally {
        child.kill('SIGKILL');
      }
    },
    2 * LIMIT_MS,
  );
});

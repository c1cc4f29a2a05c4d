// A private CA and a forward proxy by the environment of a process, as the README says.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const CLIENT = new URL('../src/index.js', import.meta.url).href;
const PROGRAM = `
  import { Vaultspan } from ${JSON.stringify(CLIENT)};
  const vaultspan = new Vaultspan({ url: process.env.SERVICE, token: 'secret-token', timeoutMs: 60_000 });
  console.log(await vaultspan.tenant('contoso').encrypt('a').catch((error) => error.code + ' ' + error.message));
  await vaultspan.close();
`;
const ANSWER = JSON.stringify({ ciphertext: 'sealed', keyId: 'k' });

const listening = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};
const closed = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** Returns what the program prints in a process with this environment alone. */
async function run(env: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env,
    timeout: 120_000,
  });
  return stdout.trim();
}

describe('a service with a certificate of a private CA', () => {
  const folder = mkdtempSync(join(tmpdir(), 'client-ca-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  let service: Server;
  let port: number;
  before(async () => {
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '1', '-subj', '/CN=service.example',
        '-addext', 'subjectAltName=DNS:service.example,IP:127.0.0.1', '-keyout', key, '-out', certificate],
      { stdio: 'ignore' },
    );
    service = createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
      request.resume().on('end', () => response.writeHead(200, { 'Content-Type': 'application/json' }).end(ANSWER));
    });
    port = await listening(service);
  });
  after(async () => {
    await closed(service);
    rmSync(folder, { recursive: true });
  });

  it('is called where NODE_EXTRA_CA_CERTS names the CA', async () => {
    assert.equal(await run({ SERVICE: `https://127.0.0.1:${port}`, NODE_EXTRA_CA_CERTS: certificate }), 'sealed');
  });

  it('is refused otherwise, without the token in the error', async () => {
    const printed = await run({ SERVICE: `https://127.0.0.1:${port}` });
    assert.match(printed, /^unreachable /);
    assert.doesNotMatch(printed, /secret-token/);
  });

  describe('behind a forward proxy', { skip: Number(process.versions.node.split('.')[0]) < 24 }, () => {
    const seen: string[] = [];
    const tunnels = new Set<Socket>();
    let proxy: Server;
    let env: Record<string, string>;
    before(async () => {
      // It leads every name to the service, so that service.example exists for the proxy only.
      proxy = createServer().on('connect', (request, socket: Socket) => {
        seen.push(`${request.method} ${request.url}`);
        const upstream = connect(port, '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          upstream.pipe(socket).pipe(upstream);
        });
        for (const one of [socket, upstream]) tunnels.add(one.on('error', () => one.destroy()));
      });
      const HTTPS_PROXY = `http://127.0.0.1:${await listening(proxy)}`;
      env = { NODE_USE_ENV_PROXY: '1', NODE_EXTRA_CA_CERTS: certificate, HTTPS_PROXY };
    });
    after(async () => {
      for (const one of tunnels) one.destroy();
      await closed(proxy);
    });

    it('is called through it where NODE_USE_ENV_PROXY is set', async () => {
      assert.equal(await run({ ...env, SERVICE: 'https://service.example:8443' }), 'sealed');
      assert.deepEqual(seen.splice(0), ['CONNECT service.example:8443']);
    });

    it('is called directly where NO_PROXY names its host', async () => {
      assert.equal(await run({ ...env, NO_PROXY: '127.0.0.1', SERVICE: `https://127.0.0.1:${port}` }), 'sealed');
      assert.deepEqual(seen, []);
    });
  });
});

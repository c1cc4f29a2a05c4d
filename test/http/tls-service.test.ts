import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { createCa, createLeaf } from '../../src/emulator/x509/certificates.ts';
import type { CertificateFiles } from '../../src/http/server/certificate-files.ts';
import { openServedCertificate } from '../../src/http/server/served-certificate.ts';
import { listen } from '../../src/http/server/server.ts';
import { runCli } from '../support/run-cli.ts';
import { scrape } from '../support/scrape.ts';
import { startService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

type Pair = Awaited<ReturnType<typeof createLeaf>>;

let folder: string;
let ca: Pair;
let leaf: Pair;
const http = () => ({
  host: '0.0.0.0',
  port: 0,
  drainSeconds: 0,
  tls: 'certificate',
  certificateFile: join(folder, 'cert.pem'),
  keyFile: join(folder, 'key.pem'),
  clientCaFile: join(folder, 'ca.pem'),
});
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-service-'));
  ca = await createCa();
  leaf = await createLeaf(ca);
  await writeFile(join(folder, 'ca.pem'), ca.certPem);
  await writeFile(join(folder, 'cert.pem'), leaf.certPem);
  await writeFile(join(folder, 'key.pem'), leaf.keyPem);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const GUID = '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3';
const configText = (listener: object): string =>
  stringify({
    http: listener,
    callers: [{ issuer: 'https://issuer.example/', audience: ['api'] }],
    home: { tenantId: GUID, appId: GUID, vaultUrl: 'https://home-kv.vault.azure.net' },
  });

const served = async (files: CertificateFiles) => {
  const nothing = () => undefined;
  const told = { onReload: nothing, onBrokenEdit: nothing, onDates: nothing };
  return openServedCertificate({ files, wallMs: Date.now, ...told });
};

interface Answer {
  readonly status: number | undefined;
  readonly hsts: string | undefined;
  readonly body: Record<string, unknown>;
}

function send(url: string, { body, ...options }: { readonly body?: object; readonly [option: string]: unknown }) {
  return new Promise<Answer>((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    request(url.replace('0.0.0.0', '127.0.0.1'), { method, ca: ca.certPem, agent: false, ...options }, (res) => {
      const { statusCode: status, headers } = res;
      const isJson = /json$/.test(headers['content-type'] ?? '');
      text(res).then(
        (answer) =>
          resolve({ status, hsts: headers['strict-transport-security'], body: isJson ? JSON.parse(answer) : {} }),
        reject,
      );
    })
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body));
  });
}

test('the service serves everything over mutual TLS, and reports problems to readiness and audit', async () => {
  await using service = await startService({ config: { http: http(), metrics: { enabled: true, port: 0 } } });
  const expiry = (await scrape(service.metricsUrl)).get('vaultspan_certificate_expiry_timestamp_seconds');
  expect(expiry).toBe(new X509Certificate(leaf.certPem).validToDate.getTime() / 1_000);
  const shown = { cert: leaf.certPem, key: leaf.keyPem };
  await expectHsts(service.url, service.token(), shown);
  const headers = { Authorization: `Bearer ${service.token()}`, 'Content-Type': 'application/json' };
  const encrypt = `${service.url}/tenants/contoso/encrypt`;
  const body = { plaintext: 'aGk=' };
  expect((await send(encrypt, { ...shown, headers, body })).status).toBe(200);
  // A certificate is no token, and a token no certificate.
  const json = { 'Content-Type': 'application/json' };
  expect((await send(encrypt, { ...shown, headers: json, body })).body).toMatchObject({ code: 'unauthenticated' });
  await expect(send(encrypt, { headers, body })).rejects.toThrow();
  await expect(send(`${service.url}/healthz`, {})).rejects.toThrow();

  const file = join(folder, 'health.yaml');
  const { port } = new URL(service.url);
  await writeFile(file, configText({ ...http(), port: Number(port) }));
  expect(await runCli(['health', '--config', file], { cwd: folder }).exitCode).toBe(0);

  await writeFile(join(folder, 'key.pem'), 'broken');
  await until(
    async () =>
      ((await send(`${service.url}/readyz`, shown)).body['degraded'] as string[] | undefined)?.includes(
        'certificate',
      ) ?? false,
    'readiness tells',
  );
  expect(
    service.logLines.some((line) => line.includes('the last good one stays in use') && line.includes('keyFile')),
  ).toBe(true);
  await writeFile(join(folder, 'key.pem'), leaf.keyPem);
  await until(async () => !('degraded' in (await send(`${service.url}/readyz`, shown)).body), 'it is mended');
  expect(service.logLines.join('\n')).not.toContain('PRIVATE KEY');

  await service.stop();
  expect(await service.auditRecords()).toContainEqual(
    expect.objectContaining({ code: 'unauthenticated', reason: 'client-certificate', outcome: 'refused', count: 2 }),
  );
});

/** Expects that every kind of answer tells browsers to use only TLS, for at least a year. */
async function expectHsts(url: string, token: string, shown: object): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const octets = { ...headers, 'Content-Type': 'application/octet-stream' };
  const answers: readonly [path: string, status: number, options: Parameters<typeof send>[1]][] = [
    ['/healthz', 200, {}],
    ['/openapi.yaml', 200, {}],
    ['/docs/settings.json', 200, {}],
    ['/nowhere', 404, {}],
    ['/tenants', 401, {}],
    ['/tenants', 200, { headers }],
    ['/tenants/contoso/encrypt', 200, { headers, body: { plaintext: 'aGk=' } }],
    ['/tenants/contoso/encrypt', 400, { headers, body: {} }],
    ['/tenants/contoso/streams/encrypt', 200, { headers: octets, body: {} }],
  ];
  for (const [path, status, options] of answers) {
    const answer = await send(`${url}${path}`, { ...shown, ...options });
    const [, age] = /^max-age=(\d+)(?:;|$)/.exec(answer.hsts ?? '') ?? [];
    expect([path, answer.status, Number(age) >= 31_536_000]).toEqual([path, status, true]);
  }
}

test('check-config shows the certificate; check-config and serve report a wrong key with its setting, before any call', async () => {
  const file = join(folder, 'config.yaml');
  const config = (keyFile: string) => configText({ ...http(), port: 8080, certificateFile: 'cert.pem', keyFile });
  await writeFile(file, config('key.pem'));
  const good = runCli(['check-config', '--config', file], { cwd: tmpdir() });
  expect([await good.exitCode, good.err()]).toEqual([0, '']);
  expect(good.out()).toMatch(/certificate CN=localhost, valid from .* to /);
  const env = {
    VAULTSPAN_METRICS_ENABLED: 'true',
    VAULTSPAN_METRICS_HOST: '::1',
    VAULTSPAN_AUDIT_RETENTION_DAYS: '90',
    VAULTSPAN_DATABASE_URL: 'postgres://user@db.example/vaultspan',
  };
  const more = runCli(['check-config', '--config', file], { cwd: tmpdir(), env });
  expect([await more.exitCode, more.err()]).toEqual([0, '']);
  expect(more.out()).toMatch(/^audit .*, and from there to PostgreSQL; durability write, kept for 90 days$/m);
  expect(more.out()).toMatch(/^metrics {5}http:\/\/\[::1\]:9464\/metrics$/m);
  await writeFile(join(folder, 'other.pem'), ca.keyPem);
  await writeFile(file, config('other.pem'));
  for (const command of ['check-config', 'serve']) {
    const run = runCli([command, '--config', file], { cwd: tmpdir() });
    expect(await run.exitCode).toBe(2);
    expect(run.err()).toContain('http.keyFile: ');
    expect(run.err()).toContain('is not the key of the first certificate');
  }
});

test('health is 0 only while the service answers, over HTTP, TLS and on any address', async () => {
  const file = join(folder, 'alive.yaml');
  const health = async () => {
    const run = runCli(['health', '--config', file], { cwd: folder });
    return [await run.exitCode, run.err().split(':')[0]];
  };
  const { clientCaFile: _none, ...tls } = http();
  for (const listener of [{ port: 0 }, { host: '0.0.0.0', port: 0, tls: 'terminated-upstream' }, tls]) {
    const server = await listen(() => (_req, res) => res.end('{}'), {
      host: '127.0.0.1',
      ...listener,
      ...(listener === tls && { certificate: await served(tls) }),
    });
    await writeFile(file, configText({ ...listener, port: Number(new URL(server.url).port) }));
    expect(await health()).toEqual([0, '']);
    await server.drain(0);
    expect(await health()).toEqual([1, 'no answer']);
  }
});

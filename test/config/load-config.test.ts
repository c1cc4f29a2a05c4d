import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '../../src/config/load-config.ts';

const GUID = '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3';
const MINIMAL = `
callers: [{issuer: https://issuer.example/, audience: [api]}]
home: {tenantId: ${GUID}, appId: ${GUID}, vaultUrl: https://home-kv.vault.azure.net/}
registry: {file: tenants.yaml}
`;
const folder = mkdtempSync(join(tmpdir(), 'config-'));
let files = 0;

function written(text: string): string {
  files += 1;
  const file = join(folder, `config-${files}.yaml`);
  writeFileSync(file, text);
  return file;
}

const load = (text: string, env: Record<string, string> = {}) => loadConfig({ path: written(text), env, cwd: folder });

function problemsOf(text: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(text, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  test('needs who may call, the home and the tenants; all else has a default', () => {
    expect(load(MINIMAL)).toMatchObject({
      http: { host: '127.0.0.1', port: 8080, maxPlaintextBytes: 1_048_576, drainMs: 25_000 },
      home: { vaultUrl: 'https://home-kv.vault.azure.net', secretName: 'vaultspan-client-secret' },
      cloud: { authorityHost: 'https://login.microsoftonline.com', managedHsmSuffix: '.managedhsm.azure.net' },
      platform: { identity: 'default' },
      revocation: { boundMs: 300_000 },
      dataKeys: { mode: 'cached', maxAgeMs: 3_600_000, maxMessages: 2 ** 24, maxBytes: 64 * 2 ** 30 },
    });
  });

  test('tells all that is missing at once', () => {
    expect(problemsOf('{}')).toEqual(['callers: is missing', 'home: is missing']);
  });

  test('refuses unknown members by name, at any depth', () => {
    expect(problemsOf(`${MINIMAL}\ncolour: red\nhttp: {prot: 1}\n`)).toEqual([
      'http.prot: there is no such setting',
      'colour: there is no such setting',
    ]);
  });

  test('takes paths from its own folder', () => {
    expect(load(MINIMAL).registry.file).toBe(join(folder, 'tenants.yaml'));
  });

  test('takes JSON as well', () => {
    const callers = [{ issuer: 'https://issuer.example/', audience: ['api'] }];
    const home = { tenantId: GUID, appId: GUID, vaultUrl: 'https://home-kv.vault.azure.net' };
    expect(load(JSON.stringify({ callers, home, registry: { file: 't.json' } })).http.port).toBe(8080);
  });

  test('lets the environment go over the file', () => {
    const env = {
      VAULTSPAN_HTTP_PORT: '9000',
      VAULTSPAN_HTTP_HOST: '::1',
      VAULTSPAN_REVOCATION_BOUND_SECONDS: '0',
      VAULTSPAN_CALLERS: '[{"issuer":"https://other.example/","audience":["x"]}]',
    };
    const config = load(MINIMAL, env);
    expect([config.http.port, config.http.host, config.revocation.boundMs]).toEqual([9_000, '::1', 0]);
    expect(config.callers[0]?.issuer).toBe('https://other.example/');
  });

  test('knows names that platforms set, and lets its own go over them', () => {
    const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://collector:4318/';
    expect(load(MINIMAL).telemetry.otlpEndpoint).toBeUndefined();
    expect(load(MINIMAL, { OTEL_EXPORTER_OTLP_ENDPOINT }).telemetry.otlpEndpoint).toBe('http://collector:4318');
    const own = { VAULTSPAN_TELEMETRY_OTLP_ENDPOINT: 'https://other' };
    expect(load(MINIMAL, { ...own, OTEL_EXPORTER_OTLP_ENDPOINT }).telemetry.otlpEndpoint).toBe('https://other');
    expect(load(MINIMAL, { OTEL_EXPORTER_OTLP_ENDPOINT, ...own }).telemetry.otlpEndpoint).toBe('https://other');
    expect(load(MINIMAL, { DATABASE_URL: 'postgres://a/b' }).database.postgres?.url).toBe('postgres://a/b');
  });

  test('refuses variables that are no setting, no number or no JSON', () => {
    expect(problemsOf(MINIMAL, { VAULTSPAN_HTTP_PROT: '1' })).toEqual([
      'VAULTSPAN_HTTP_PROT: there is no such setting',
    ]);
    expect(problemsOf(MINIMAL, { VAULTSPAN_HTTP_PORT: 'x' })).toEqual([expect.stringMatching(/^http\.port: /)]);
    expect(problemsOf(MINIMAL, { VAULTSPAN_CALLERS: '[' })).toEqual(['VAULTSPAN_CALLERS: is not JSON']);
  });

  test.each([
    ['plain HTTP beyond this machine', 'http: {host: 0.0.0.0}', 'http.host'],
    ['TLS without its files', 'http: {tls: certificate, certificateFile: c.pem}', 'http.tls'],
    ['files of TLS without it', 'http: {clientCaFile: ca.pem}', 'http.tls'],
    ['a shared port without a number', 'http: {reusePort: true, port: 0}', 'http.reusePort'],
    ['a plaintext over the ceiling', 'http: {maxPlaintextBytes: 33554432}', 'http.maxPlaintextBytes'],
    ['a custom cloud without its addresses', 'cloud: {name: custom}', 'cloud.name'],
    ['addresses without a custom cloud', 'cloud: {authorityHost: https://login.example}', 'cloud.name'],
    [
      'a vault over http',
      `home: {tenantId: ${GUID}, appId: ${GUID}, vaultUrl: http://x.vault.azure.net}`,
      'home.vaultUrl',
    ],
    [
      'an app id that is no GUID',
      `home: {tenantId: ${GUID}, appId: x, vaultUrl: https://x.vault.azure.net}`,
      'home.appId',
    ],
    ['more messages than AES-GCM bears', `dataKeys: {maxMessages: ${2 ** 32 + 1}}`, 'dataKeys.maxMessages'],
    ['a collector that is no HTTP', 'telemetry: {otlpEndpoint: "grpc://collector:4317"}', 'telemetry.otlpEndpoint'],
    ['audit records in a database without one', 'audit: {database: true}', 'audit.database'],
    ['a retention of no day', 'audit: {retentionDays: 0}', 'audit.retentionDays'],
    ['the emulator without saying that it is unsafe', 'emulator: {caFile: ca.pem}', 'emulator.unsafeAllowEmulator'],
  ])('refuses %s', (_case, text, place) => {
    const document = text.startsWith('home:') ? MINIMAL.replace(/^home:.*$/m, text) : `${MINIMAL}\n${text}`;
    expect(problemsOf(document)[0]).toMatch(new RegExp(`^${place.replace('.', '\\.')}: `));
  });

  test.each([
    ['the same issuer twice', 'https://issuer.example/', 'callers.1.issuer: accepts the same tokens as callers.0'],
    [
      'both forms of a directory',
      `https://sts.windows.net/${GUID}/`,
      'callers.2.issuer: accepts the same tokens as callers.1',
    ],
    [
      'an issuer in a form that no token has',
      `https://sts.windows.net/${GUID}`,
      'callers.2.issuer: no token has this iss',
    ],
  ])('refuses %s', (_case, issuer, problem) => {
    const v2 = `https://login.microsoftonline.com/${GUID}/v2.0`;
    const first = issuer === 'https://issuer.example/' ? issuer : 'https://first.example/';
    const entries = [first, ...(issuer === first ? [] : [v2]), issuer].map((iss) => ({ issuer: iss, audience: ['a'] }));
    const [found = ''] = problemsOf(MINIMAL.replace(/^callers:.*$/m, `callers: ${JSON.stringify(entries)}`));
    expect(found.slice(0, problem.length)).toBe(problem);
  });

  test('lets a proxy speak TLS in front', () => {
    expect(load(`${MINIMAL}\nhttp: {host: 0.0.0.0, tls: terminated-upstream}`).http.host).toBe('0.0.0.0');
  });

  test('lets the service speak TLS itself, on any address', () => {
    const { http } = load(
      `${MINIMAL}\nhttp: {host: '::', tls: certificate, certificateFile: c.pem, keyFile: /etc/k.pem}`,
    );
    expect(http.certificate).toMatchObject({ certificateFile: join(folder, 'c.pem'), keyFile: '/etc/k.pem' });
  });

  test('that is named and missing, or no YAML, is an error that names the file', () => {
    const missing = join(folder, 'nope.yaml');
    expect(() => loadConfig({ path: missing, env: {}, cwd: folder })).toThrow(missing);
    expect(() => load('a: [')).toThrow(ConfigError);
  });
});

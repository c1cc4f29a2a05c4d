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
  test('requires callers, home and tenants; all else has a default', () => {
    expect(load(MINIMAL)).toMatchObject({
      http: { host: '127.0.0.1', port: 8080, maxPlaintextBytes: 1_048_576, drainMs: 25_000 },
      home: { vaultUrl: 'https://home-kv.vault.azure.net', secretName: 'vaultspan-client-secret' },
      cloud: { authorityHost: 'https://login.microsoftonline.com', managedHsmSuffix: '.managedhsm.azure.net' },
      platform: { identity: 'default' },
      revocation: { boundMs: 300_000 },
      dataKeys: { mode: 'cached', maxAgeMs: 3_600_000, maxMessages: 2 ** 24, maxBytes: 64 * 2 ** 30 },
    });
  });

  test('reports all missing settings at once', () => {
    expect(problemsOf('{}')).toEqual(['callers: is missing', 'home: is missing']);
  });

  test('refuses unknown members by name, at any depth', () => {
    expect(problemsOf(`${MINIMAL}\ncolour: red\nhttp: {prot: 1}\n`)).toEqual([
      'http.prot: unknown setting; did you mean http.port?',
      'colour: unknown setting; did you mean cloud?',
    ]);
  });

  test('resolves paths relative to its own folder', () => {
    expect(load(MINIMAL).registry.file).toBe(join(folder, 'tenants.yaml'));
  });

  test('accepts JSON too', () => {
    const callers = [{ issuer: 'https://issuer.example/', audience: ['api'] }];
    const home = { tenantId: GUID, appId: GUID, vaultUrl: 'https://home-kv.vault.azure.net' };
    expect(load(JSON.stringify({ callers, home, registry: { file: 't.json' } })).http.port).toBe(8080);
  });

  test('is overridden by the environment', () => {
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

  test('knows names that platforms set, and overrides them with its own', () => {
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
      'VAULTSPAN_HTTP_PROT is not a setting; did you mean VAULTSPAN_HTTP_PORT?',
    ]);
    expect(problemsOf(MINIMAL, { VAULTSPAN_HTTP_PORT: 'x' })).toEqual([
      'VAULTSPAN_HTTP_PORT (http.port): must be a number',
    ]);
    expect(problemsOf(MINIMAL, { VAULTSPAN_CALLERS: '[' })).toEqual([
      'VAULTSPAN_CALLERS: must be JSON, such as [] for an empty list',
    ]);
  });

  test.each([
    ['plain HTTP beyond this machine', 'http: {host: 0.0.0.0}', 'http.host'],
    ['TLS without its files', 'http: {tls: certificate, certificateFile: c.pem}', 'http.tls'],
    ['files of TLS without it', 'http: {clientCaFile: ca.pem}', 'http.tls'],
    ['a shared port without a number', 'http: {reusePort: true, port: 0}', 'http.reusePort'],
    ['several processes without a number', 'http: {processes: auto, port: 0}', 'http.processes'],
    ['no process', 'http: {processes: 0}', 'http.processes'],
    ['a wrong number of processes', 'http: {processes: all}', 'http.processes'],
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
    [
      'a collector of audit records in the open',
      'siem: {otlpEndpoint: "http://collector:4318"}\naudit: {database: true}',
      'siem.otlpEndpoint',
    ],
    [
      'a collector of audit records that stay in files',
      'siem: {otlpEndpoint: "https://collector"}',
      'siem.otlpEndpoint',
    ],
    ['a collector that is no HTTP', 'telemetry: {otlpEndpoint: "grpc://collector:4317"}', 'telemetry.otlpEndpoint'],
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
      'callers.2.issuer: tokens never have thi',
    ],
  ])('refuses %s', (_case, issuer, problem) => {
    const v2 = `https://login.microsoftonline.com/${GUID}/v2.0`;
    const first = issuer === 'https://issuer.example/' ? issuer : 'https://first.example/';
    const entries = [first, ...(issuer === first ? [] : [v2]), issuer].map((iss) => ({ issuer: iss, audience: ['a'] }));
    const [found = ''] = problemsOf(MINIMAL.replace(/^callers:.*$/m, `callers: ${JSON.stringify(entries)}`));
    expect(found.slice(0, problem.length)).toBe(problem);
  });

  test('allows a proxy in front to terminate TLS', () => {
    expect(load(`${MINIMAL}\nhttp: {host: 0.0.0.0, tls: terminated-upstream}`).http.host).toBe('0.0.0.0');
  });

  test('allows the service to terminate TLS itself, on any address', () => {
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

describe('the environment', () => {
  test.each([
    ['a Service named vaultspan', 'VAULTSPAN', 'http'],
    ['a Service whose variable is a setting of ours', 'VAULTSPAN_HTTP', 'https'],
  ])('of Kubernetes for %s is ignored', (_case, name, port) => {
    const links = {
      [`${name}_SERVICE_HOST`]: '10.0.0.1',
      [`${name}_SERVICE_PORT`]: '443',
      [`${name}_SERVICE_PORT_${port.toUpperCase()}`]: '443',
      [`${name}_PORT`]: 'tcp://10.0.0.1:443',
      [`${name}_PORT_443_TCP`]: 'tcp://10.0.0.1:443',
      [`${name}_PORT_443_TCP_PROTO`]: 'tcp',
      [`${name}_PORT_443_TCP_PORT`]: '443',
      [`${name}_PORT_443_TCP_ADDR`]: '10.0.0.1',
    };
    expect(load(MINIMAL, links).http.port).toBe(8080);
  });

  test('with empty values is the same as without them', () => {
    const names = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'DATABASE_URL', 'VAULTSPAN_DATABASE_URL', 'VAULTSPAN_HTTP_PORT'];
    const env = Object.fromEntries([...names, 'VAULTSPAN_COLOUR'].map((name) => [name, '']));
    expect(load(MINIMAL, env).telemetry.otlpEndpoint).toBeUndefined();
    expect(load(MINIMAL, env).http.port).toBe(8080);
    expect(load(MINIMAL, env).database.postgres).toBeUndefined();
    const own = { VAULTSPAN_DATABASE_URL: ' ', DATABASE_URL: 'postgres://u:p@db/tenants' };
    expect(load(MINIMAL, own).database.postgres?.url).toBe('postgres://u:p@db/tenants');
  });

  test.each(['true', 'TRUE', 'True'])('%s is true', (text) => {
    expect(load(MINIMAL, { VAULTSPAN_METRICS_ENABLED: text }).metrics.enabled).toBe(true);
    expect(problemsOf(MINIMAL, { VAULTSPAN_METRICS_ENABLED: `${text}!` })).toEqual([
      'VAULTSPAN_METRICS_ENABLED (metrics.enabled): must be true or false',
    ]);
  });

  test('names the wrong variable, even one that a platform sets', () => {
    expect(problemsOf(MINIMAL, { OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://x' })).toEqual([
      'OTEL_EXPORTER_OTLP_ENDPOINT (telemetry.otlpEndpoint): must be an http or https URL',
    ]);
  });

  test('causes a warning for a name that is no setting, with the nearest name', () => {
    const warnings: string[] = [];
    const env = { VAULTSPAN_HTTP_PROT: 'secret', VAULTSPAN_SOMETHING_ELSE_ENTIRELY: '1' };
    loadConfig({ path: written(MINIMAL), env, cwd: folder, onUnknown: (warning) => warnings.push(warning) });
    expect(warnings).toEqual([
      'VAULTSPAN_HTTP_PROT is not a setting; did you mean VAULTSPAN_HTTP_PORT?',
      'VAULTSPAN_SOMETHING_ELSE_ENTIRELY is not a setting',
    ]);
  });
});

test.each([
  ['UTF-16', Buffer.from(`\ufeff${MINIMAL}`, 'utf16le'), 'is UTF-16 or binary: save it as UTF-8 text'],
  ['Latin-1', Buffer.from(`# caf\xe9\n${MINIMAL}`, 'latin1'), 'is not UTF-8: save it as UTF-8 text'],
  ['a list', Buffer.from('- http'), 'must be YAML or JSON such as "http: {port: 8080}", but is a list'],
  ['CSV', Buffer.from('id,vault\na,b\n'), 'must be YAML or JSON such as "http: {port: 8080}", but is plain text'],
  [
    'of two documents',
    Buffer.from('a: 1\n---\nb: 2\n'),
    'line 2, column 1: a second document begins: write one document',
  ],
  ['with a name twice', Buffer.from('a: 1\na: 2\n'), 'line 2, column 1: this name occurs twice in its section'],
  ['indented by tabs', Buffer.from('a:\n\tb: 2\n'), 'line 2, column 1: is indented by a tab: use spaces'],
  ['no YAML', Buffer.from('a: ['), 'line 1, column 5: is neither YAML nor JSON (BAD_INDENT)'],
])('a configuration file that is %s is refused in one line', (_case, bytes, problem) => {
  const path = join(folder, 'odd.yaml');
  writeFileSync(path, bytes);
  expect(() => loadConfig({ path, env: {}, cwd: folder })).toThrow(`${path}: ${problem}`);
  writeFileSync(path, `\ufeff${MINIMAL}`);
  expect(loadConfig({ path, env: {}, cwd: folder }).http.port).toBe(8080);
});

describe("the database's URL", () => {
  test.each([
    ['another system', 'mysql://u:p4ss@h/db', 'must be of the form postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE'],
    ['a bare %', 'postgres://u:p4%ss@h/db', 'has a % in its password that is not an escape: write it as %25'],
    ['prefer', 'postgres://u:p4ss@h/db?sslmode=prefer', 'has sslmode=prefer, which is not supported'],
    [
      'an unknown parameter',
      'postgres://u:p4ss@h/db?pool=3',
      'has the unknown parameter pool; supported are host, sslmode',
    ],
  ])('is refused for %s, in one line without the password', (_case, url, problem) => {
    for (const [name, setting] of [
      ['DATABASE_URL', 'database.url'],
      ['VAULTSPAN_DATABASE_DIRECT_URL', 'database.directUrl'],
    ] as const) {
      const [found = ''] = problemsOf(MINIMAL, { [name]: url });
      expect(found.slice(0, name.length + setting.length + 5 + problem.length)).toBe(
        `${name} (${setting}): ${problem}`,
      );
      expect(found).not.toContain('p4');
    }
  });
});

describe('several processes', () => {
  const GIB = 2 ** 30;
  const written = (text: string): string => {
    const path = join(folder, 'processes.yaml');
    writeFileSync(path, `${MINIMAL}\n${text}`);
    return path;
  };
  const of = (text: string, more: object = {}) =>
    loadConfig({ path: written(text), env: {}, cwd: folder, memoryBytes: 4 * GIB, cores: 4, ...more });

  test('are one per core with auto; the command line overrides the file', () => {
    expect(of('http: {processes: auto}').http.processes).toBe(4);
    expect(of('http: {processes: auto}', { processes: '2' }).http.processes).toBe(2);
    expect(of('', { processes: 'auto' }).http.processes).toBe(4);
    expect(of('', { processes: '3', env: { VAULTSPAN_HTTP_PROCESSES: '2' } }).http.processes).toBe(3);
    expect(of('', { env: { VAULTSPAN_HTTP_PROCESSES: 'auto' } }).http.processes).toBe(4);
    expect(() => of('', { processes: 'many' })).toThrow(
      '--processes (http.processes): must be auto, or a whole number from 1 to 256',
    );
  });

  test('have a share of each limit; one has all of it, and its port is its own', () => {
    const text = `http: {maxConcurrent: 100, callerRequestsPerSecond: 1000, callerBurst: 4000}
vault: {budgetPerSecond: 40, budgetBurst: 80, maxConcurrent: 32}
rounds: {maxConcurrent: 16}`;
    const limits = ({ http, vault, rounds }: ReturnType<typeof of>) => ({
      reusePort: http.reusePort,
      requests: http.maxConcurrent,
      rates: http.callerRates,
      vault: [vault.budgetPerSecond, vault.budgetBurst, vault.maxConcurrent, vault.processes],
      visits: rounds.maxConcurrent,
    });
    expect(limits(of(text))).toEqual({
      reusePort: false,
      requests: 100,
      rates: { requestsPerSecond: 1_000, burst: 4_000 },
      vault: [40, 80, 32, 1],
      visits: 16,
    });
    expect(limits(of(text, { processes: '4' }))).toEqual({
      reusePort: true,
      requests: 25,
      rates: { requestsPerSecond: 250, burst: 1_000 },
      vault: [10, 20, 8, 4],
      visits: 4,
    });
    expect(of('vault: {processes: 3}', { processes: '4' }).vault.processes).toBe(12);
  });

  test('divide the memory, and keep room for a few of the largest bodies', () => {
    const bytes = (text: string, processes: string) => of(text, { processes }).http.maxBufferedBytes;
    expect(bytes('', '1')).toBe((4 * GIB - 256 * 2 ** 20) / 8);
    expect(bytes('', '4')).toBe((GIB - 256 * 2 ** 20) / 8);
    expect(bytes('http: {maxBufferedBytes: 64000000}', '4')).toBe(16_000_000);
    expect(bytes('http: {maxBufferedBytes: 64000000}', '32')).toBe(4 * 2 ** 20);
  });
});

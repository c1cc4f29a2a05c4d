import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { openHome } from '../../src/compose/home.ts';
import { openStore } from '../../src/compose/store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { configOf, settingsFor } from './config.ts';
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts';
import { formsOf, planted } from './planted.ts';
import { startService, type TestService } from './start-service.ts';

const name = planted('name');
const value = planted('value');
const message = planted('message');
const wrapped = planted('key');
const encryptionContext = { [name]: value };
const plaintext = Buffer.from(message).toString('base64');
/** Keys of the home vault, in the vault's form. */
const homeSecrets = {
  'vaultspan-origin-key': newSecretKey(),
  'vaultspan-audit-key': newSecretKey(),
  'vaultspan-webhook-key': newSecretKey(),
};
const keyValue = Buffer.from(wrapped).toString('base64');

/** Tests that no secret leaves a service whose messages have this form. */
export function testSecrecy(form: 'self-contained' | 'compact'): void {
  let service: TestService;
  let token: string;
  let appSecret: string;
  /** The bodies of all refusals. */
  const refusals: string[] = [];
  let audit: string;
  let metrics: string;
  let receiver: OtlpReceiver;
  /** A data key of a client that encrypts by itself. */
  let dataKey: Buffer;

  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    service = await startService({
      homeSecrets,
      ...(form === 'compact' && { compact: 'enabled' as const }),
      config: {
        metrics: { enabled: true, port: 0, tenantLabels: true },
        telemetry: { otlpEndpoint: receiver.url, tenantIds: true },
        rounds: { webhookUrl: 'https://127.0.0.1:9/hook' },
      },
    });
    token = await service.emulator.issueCallerToken();
    appSecret = (await service.emulator.control.addAppSecret({ storeInHomeVault: true })).value;
    await succeed();
    await refuse();
    await fail();
    metrics = await (await fetch(service.metricsUrl)).text();
    await service.stop();
    const directory = join(service.folder, 'audit');
    const files = await readdir(directory);
    audit = (await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')))).join('');
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  const post = (path: string, body: unknown) => service.post(`/tenants/${path}`, body, token);

  async function refused(path: string, body: unknown, expected: number): Promise<void> {
    const { status, text } = await post(path, body);
    if (status !== expected) throw new Error(`${path} answered ${status}, not ${expected}`);
    refusals.push(text);
  }

  async function succeed(): Promise<void> {
    const { ciphertext } = (await post('contoso/encrypt', { plaintext, encryptionContext })).body;
    await post('contoso/decrypt', { ciphertext, encryptionContext });
    const { body } = await post('contoso/wrap', { value: keyValue, key: 'wrap' });
    await post('contoso/unwrap', body);
    dataKey = Buffer.from((await post('contoso/data-keys', { encryptionContext })).body.plaintext, 'base64');
    const forged = `${ciphertext.slice(0, -2)}${ciphertext.endsWith('AA') ? 'BA' : 'AA'}`;
    await refused('contoso/decrypt', { ciphertext }, 422);
    await refused('contoso/decrypt', { ciphertext, encryptionContext: { [name]: `${value}!` } }, 422);
    await refused('contoso/decrypt', { ciphertext: forged, encryptionContext }, 422);
    await refused('fabrikam/decrypt', { ciphertext, encryptionContext }, 422);
    await refused('contoso/unwrap', { ...body, wrappedKey: randomBytes(256).toString('base64') }, 422);
  }

  /** Causes request errors in every place that can contain a secret. */
  async function refuse(): Promise<void> {
    const bad: [string, unknown][] = [
      ['contoso/encrypt', { plaintext: `${message}!`, encryptionContext }],
      ['contoso/encrypt', { plaintext, encryptionContext: { [name]: 1 } }],
      ['contoso/encrypt', { plaintext, encryptionContext: { [name.padEnd(129, 'x')]: value } }],
      ['contoso/encrypt', { plaintext, encryptionContext: { [name]: value.padEnd(1_025, 'x') } }],
      ['contoso/encrypt', { plaintext, encryptionContext: { [`vaultspan${name}`]: value } }],
      ['contoso/encrypt', { plaintext, encryptionContext: [name, value] }],
      ['contoso/encrypt', { plaintext, encryptionContext: value }],
      ['contoso/encrypt', { plaintext, encryptionContext: { a: { [name]: value } } }],
      ['contoso/encrypt', `{"plaintext":"${plaintext}","encryptionContext":{"${name}":"${value}"`],
      ['contoso/encrypt', { plaintext: { message } }],
      ['contoso/decrypt', { ciphertext: plaintext, encryptionContext }],
      ['contoso/wrap', { value: `${wrapped}!`, key: 'wrap' }],
      ['contoso/wrap', { value: keyValue.repeat(20), key: 'wrap' }],
    ];
    for (const [path, body] of bad) await refused(path, body, 400);
    await refused('northwind/encrypt', { plaintext, encryptionContext }, 403);
    await refused('adatum/encrypt', { plaintext, encryptionContext }, 403);
    await refused('nobody/encrypt', { plaintext, encryptionContext }, 404);
  }

  /**
   * Breaks signing in while the service has no token of fabrikam's directory. Tenants in a database
   * are visited by rounds, whose sign-in would serve through the fault.
   */
  async function withoutSignIn(breakIt: () => Promise<unknown>): Promise<void> {
    const isVisited = form === 'compact';
    if (isVisited) await post('fabrikam/suspend', '').expect(200);
    await breakIt();
    if (isVisited) await post('fabrikam/resume', '').expect(200);
  }

  /** Causes failures that the SDK reports with errors which contain whole requests. */
  async function fail(): Promise<void> {
    const { control } = service.emulator;
    for (const kind of ['garbage', 'reset', 'status'] as const) {
      await control.injectFault({ at: 'contoso', kind });
      await refused('contoso/wrap', { value: keyValue, key: 'wrap' }, 503);
      await control.clearFaults();
      await withoutSignIn(() => control.injectFault({ at: 'entra', operation: 'token', kind }));
      await refused('fabrikam/encrypt', { plaintext, encryptionContext }, 503);
      await control.clearFaults();
    }
    await withoutSignIn(() => control.removeAppSecret());
    await refused('fabrikam/encrypt', { plaintext, encryptionContext }, 503);
  }

  const places: [string, () => string][] = [
    ['the audit log', () => audit],
    ['the log', () => service.logLines.join('')],
    ['the refusals', () => refusals.join('\n')],
    ['the metrics', () => metrics],
    ['the traces', () => receiver.text()],
  ];

  test.each(places)('no secret appears in %s', (_place, textOf) => {
    const text = textOf();
    expect(text.length).toBeGreaterThan(100);
    const keys = Object.values(homeSecrets);
    const secrets = [
      name,
      value,
      message,
      wrapped,
      appSecret,
      ...keys,
      ...keys.map((key) => Buffer.from(key, 'base64url')),
    ];
    for (const secret of [...secrets, dataKey]) {
      for (const form of formsOf(secret)) expect(text).not.toContain(form);
    }
    expect(text).not.toContain(token.split('.')[2]);
  });

  test.each(places)('no token and no ciphertext appears in %s', (_place, textOf) => {
    // Salts and MACs of records are random base64url and hold "eyJ" by chance: a token or message is told by its dots,
    // its header alone by the first member: {"alg", {"typ", {"kid" or {"enc".
    expect(textOf()).not.toMatch(/\beyJ[\w-]+\.[\w-]|eyJ(?:hbGci|0eXAi|raWQi|lbmMi)/);
    expect(textOf()).not.toMatch(/Bearer (?!error=)/);
  });

  test('each cause of a failure is logged, with the id of its first request', () => {
    const failed = refusals.map((text) => JSON.parse(text)).filter(({ status }) => status >= 500);
    expect(failed).toHaveLength(7);
    const lines = service.logLines.filter((line) => line.includes('request failed')).map((line) => JSON.parse(line));
    const firstIds = new Map<string, string>();
    for (const { code, reason, requestId } of failed) firstIds.getOrInsert(`${code} ${reason}`, requestId);
    expect(lines.map(({ requestId }) => requestId)).toEqual(expect.arrayContaining([...firstIds.values()]));
  });

  test('the searched secrets can be found, in each of their forms', () => {
    expect(dataKey).toHaveLength(32);
    expect(service.logLines.join('')).toContain('a change was not delivered to the webhook');
    expect(receiver.text()).toContain('vaultspan.tenant_id');
    expect(metrics).toContain('vaultspan_tenant_requests_total{tenant="contoso"');
    for (const secret of [appSecret, dataKey]) {
      const around = (offset: number) => Buffer.concat([randomBytes(offset), Buffer.from(secret), randomBytes(4)]);
      for (const offset of [0, 1, 2]) {
        for (const encoding of ['base64', 'base64url', 'hex'] as const) {
          const text = around(offset).toString(encoding);
          expect(formsOf(secret).some((form) => text.includes(form))).toBe(true);
        }
      }
    }
  });

  test.each([
    ['is out of reach', (password: string) => `postgres://vaultspan:${password}@127.0.0.1:9/vaultspan`],
    ['has no usable address', (password: string) => `postgres://vaultspan:${password}@127.0.0.1:port/vaultspan`],
  ])('the password of a database that %s appears in no failure', async (_case, urlOf) => {
    const password = planted('password');
    const changed = { registry: {}, database: { url: urlOf(password) } };
    const lines: string[] = [];
    const logger = createLogger('debug', (line) => lines.push(line));
    const open = async () => {
      const config = configOf({ ...settingsFor(service.emulator, service.folder), ...changed });
      await openStore(config, openHome(config), logger);
    };
    const error = await open().catch((failure: unknown) => failure);
    logger.error({ error }, 'a line');
    const told = [lines.join(''), ...chainOf(error).flatMap(({ message, stack = '' }) => [message, stack])].join('\n');
    expect(told.length).toBeGreaterThan(100);
    for (const form of formsOf(password)) expect(told).not.toContain(form);
  });
}

function chainOf(error: unknown): Error[] {
  return Error.isError(error) ? [error, ...chainOf(error.cause)] : [];
}

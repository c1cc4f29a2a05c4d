import { execFile } from 'node:child_process';
import { constants, createHash, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dataKeyFrom } from '../../src/format/data-key.ts';
import { canonicalContext } from '../../src/format/encryption-context.ts';
import { sealJwe } from '../../src/format/jwe.ts';
import { headerTemplate } from '../../src/format/jwe-header.ts';
import { parseKid } from '../../src/format/kek-ref.ts';
import { gcm } from '../support/gcm.ts';
import { runCli } from '../support/run-cli.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { postStream } from '../support/stream-client.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CONTEXT = { purpose: 'invoice', 'naïve €': '😀"\n', '￿': 'after', '😀': 'before' };

let service: TestService;
let python: string;
let azureToken: string;
let vault: string;
beforeAll(async () => {
  service = await startService({
    compact: 'enabled',
    // Fabrikam's messages stay compact.
    tenant: ({ keys, ...record }) => {
      const { data, ...others } = keys as { readonly data: object };
      const form = record['id'] === 'contoso' ? 'self-contained' : 'compact';
      return { ...record, keys: { ...others, data: { ...data, form } } };
    },
  });
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  python = (await promisify(execFile)('scripts/python-venv.sh', { cwd: ROOT })).stdout.trim();
  const contoso = service.emulator.customers.find(({ name }) => name === 'contoso');
  vault = contoso?.vaultUrl ?? '';
  azureToken = await vaultToken(contoso?.tenantId ?? '');
}, 300_000);
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns a token as `az account get-access-token` does, of a principal that may unwrap. */
async function vaultToken(tenantId: string): Promise<string> {
  const { control, appId, authorityHost } = service.emulator;
  const { value } = await control.addAppSecret();
  const scope = 'https://vault.azure.net/.default';
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: appId, client_secret: value, scope });
  const response = await fetch(`${authorityHost}/${tenantId}/oauth2/v2.0/token`, { method: 'POST', body });
  return ((await response.json()) as { access_token: string }).access_token;
}

interface Opened {
  readonly code: number;
  readonly plaintext: Buffer;
  readonly told: string;
}

/** Runs the script as a customer would: its environment has nothing of ours. */
async function open(
  sealed: string | Buffer,
  context?: object,
  at = vault,
  bearer = azureToken,
  keys?: string,
): Promise<Opened> {
  const file = join(service.folder, 'sealed');
  const contextFile = join(service.folder, 'context.json');
  await writeFile(file, sealed);
  if (context) await writeFile(contextFile, JSON.stringify(context));
  const keysFile = join(service.folder, 'keys.ndjson');
  if (keys !== undefined) await writeFile(keysFile, keys);
  const exported = keys === undefined ? [] : ['--keys', keysFile];
  const args = ['docs/open_without_us.py', at, file, ...(context ? [contextFile] : []), ...exported];
  const env = {
    PATH: process.env['PATH'] ?? '',
    AZURE_TOKEN: bearer,
    SSL_CERT_FILE: join(service.folder, 'ca.pem'),
  };
  return new Promise((resolve) => {
    execFile(python, args, { cwd: ROOT, env, encoding: 'buffer', maxBuffer: 2 ** 23 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, plaintext: stdout, told: stderr.toString() });
    });
  });
}

async function encrypt(plaintext: Buffer, encryptionContext?: object, tenantId = 'contoso'): Promise<string> {
  const body = { plaintext: plaintext.toString('base64'), ...(encryptionContext && { encryptionContext }) };
  const response = await service.post(`/tenants/${tenantId}/encrypt`, body);
  return (response.body as { ciphertext: string }).ciphertext;
}

test('it has at most 62 lines and imports none of our code', async () => {
  const lines = (await readFile(join(ROOT, 'docs/open_without_us.py'), 'utf8')).trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(62);
  const imports = lines
    .filter((line) => /^(?:import|from) /.test(line))
    .map((line) => line.split(' ')[1]?.split('.')[0]);
  expect([...new Set(imports)]).toEqual(['base64,', 'cryptography']);
});

describe('a message that the service sealed', () => {
  test('opens with the vault alone, with and without its context', async () => {
    const plaintext = randomBytes(1_000);
    const sealed = await encrypt(plaintext, CONTEXT);
    expect(await open(sealed, CONTEXT)).toEqual({ code: 0, plaintext, told: '' });
    expect(await open(`${sealed}\n`)).toEqual({ code: 0, plaintext, told: '' });
    expect(await open(await encrypt(Buffer.alloc(0)), {})).toEqual({ code: 0, plaintext: Buffer.alloc(0), told: '' });
  });

  test.each([
    ['a flipped bit', (sealed: string) => flipped(sealed), CONTEXT, /: altered or truncated/],
    ['another context', (sealed: string) => sealed, { ...CONTEXT, purpose: 'offer' }, /context does not match/],
    ['an empty context', (sealed: string) => sealed, {}, /context does not match/],
    [
      'another commitment',
      (sealed: string) => withHeader(sealed, 'kc', 'A'.repeat(43)),
      CONTEXT,
      /data key does not match/,
    ],
    ['another tid', (sealed: string) => withHeader(sealed, 'tid', 'fabrikam'), CONTEXT, /altered or truncated/],
    [
      'another typ',
      (sealed: string) => withHeader(sealed, 'typ', 'vaultspan-stream+jwe'),
      CONTEXT,
      /expected vaultspan/,
    ],
  ])('does not open with %s', async (_case, change, context, told) => {
    const opened = await open(change(await encrypt(Buffer.from('secret'), CONTEXT)), context);
    expect(opened).toEqual({ code: 1, plaintext: Buffer.alloc(0), told: expect.stringMatching(told) });
  });

  test('with a kid of another host is refused before any call, and above all before the token is sent', async () => {
    const sealed = await encrypt(Buffer.from('secret'));
    const [header = ''] = sealed.split('.');
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { readonly kid: string };
    const before = service.emulator.control.requests().length;
    const kids = [
      kid.replace(/localhost:\d+/, 'evil.example'),
      kid.replace('https://', 'https://evil.example@'),
      kid.replace('/keys/', '.evil.example/keys/'),
      `${kid}/../../../keys/other/${'0'.repeat(32)}`,
      kid.slice(0, -33),
    ];
    for (const foreign of kids) {
      const { code, told } = await open(withHeader(sealed, 'kid', foreign));
      expect([code, told]).toEqual([1, expect.stringContaining('is not in https://')]);
    }
    const { told } = await open(sealed, undefined, 'https://other.vault.azure.net');
    expect(told).toContain('is not in https://other.vault.azure.net');
    expect(service.emulator.control.requests().length).toBe(before);
  });

  test('does not open when the vault refuses, and no message quotes the token', async () => {
    const { code, told } = await open(await encrypt(Buffer.from('secret')), undefined, vault, `${azureToken}x`);
    expect([code, told]).toEqual([1, expect.stringContaining('the vault returned 401')]);
    expect(told).not.toContain(azureToken.slice(-40));
  });
});

describe('a compact message', () => {
  const fabrikam = { vault: '', token: '' };
  beforeAll(async () => {
    const found = service.emulator.customers.find(({ name }) => name === 'fabrikam');
    fabrikam.vault = found?.vaultUrl ?? '';
    fabrikam.token = await vaultToken(found?.tenantId ?? '');
  });
  const exported = async () => {
    const answer = await service
      .request()
      .get('/tenants/fabrikam/branch-keys')
      .set('Authorization', `Bearer ${service.token()}`)
      .set('Accept', 'application/x-ndjson');
    return answer.text;
  };
  const plaintext = Buffer.from('a small value');
  const compact = (context?: object) => encrypt(plaintext, context, 'fabrikam');

  test('opens with the vault and an export of the branch keys, with and without a context', async () => {
    const withContext = await compact(CONTEXT);
    const keys = await exported();
    expect(await open(withContext, CONTEXT, fabrikam.vault, fabrikam.token, keys)).toEqual({
      code: 0,
      plaintext,
      told: '',
    });
    expect(await open(await compact(), undefined, fabrikam.vault, fabrikam.token, keys)).toEqual({
      code: 0,
      plaintext,
      told: '',
    });
    const sealed = await postStream(service, '/tenants/fabrikam/streams/encrypt', { body: plaintext });
    expect(await open(sealed.body, undefined, fabrikam.vault, fabrikam.token, keys)).toEqual({
      code: 0,
      plaintext,
      told: '',
    });
  });

  test('does not open without the export, in another context, or with a branch key of another id', async () => {
    const keys = await exported();
    const sealed = await compact(CONTEXT);
    const lost = await open(sealed, CONTEXT, fabrikam.vault, fabrikam.token);
    expect([lost.code, lost.told]).toEqual([1, expect.stringContaining('is not in the export: give --keys')]);
    for (const context of [{ ...CONTEXT, purpose: 'offer' }, undefined]) {
      const { code, told } = await open(sealed, context, fabrikam.vault, fabrikam.token, keys);
      expect([code, told]).toEqual([1, expect.stringContaining('altered or truncated')]);
    }
    const [line = ''] = keys.split('\n');
    const other = JSON.stringify({ ...JSON.parse(line), label: '2020-01-01T00:00:00Z' });
    const { code, told } = await open(sealed, CONTEXT, fabrikam.vault, fabrikam.token, other);
    expect([code, told]).toEqual([1, expect.stringContaining('context does not match')]);
  });
});

interface StreamVector {
  readonly file: string;
  readonly streamKey: string;
  readonly plaintextSha256: string;
}

/**
 * Returns one of Tink's vectors with its header sealed again for the emulated customer's key, as a
 * rewrap does: the body is Tink's, unchanged.
 */
async function stream({ file, streamKey }: StreamVector): Promise<Buffer> {
  const bytes = await readFile(join(ROOT, 'test/vectors', file));
  const body = bytes.subarray(10 + bytes.readUInt32BE(6));
  const { kid, jwk } = await customerKey();
  const kek = parseKid(kid);
  if (!kek) throw new Error('no key id');
  const cek = randomBytes(32);
  const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), oaepHash: 'sha256' };
  const encryptedKey = publicEncrypt({ ...key, padding: constants.RSA_PKCS1_OAEP_PADDING }, cek).toString('base64url');
  const dataKey = dataKeyFrom(gcm, cek, { kek, algorithm: 'RSA-OAEP-256', kid, tenantId: 'contoso', encryptedKey });
  const header = headerTemplate(dataKey, 'A'.repeat(22), 'vaultspan-stream+jwe');
  const context = canonicalContext(CONTEXT);
  const jwe = sealJwe({ dataKey, header }, randomBytes(12), Buffer.from(streamKey, 'base64url'), context);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(jwe.length);
  return Buffer.concat([Buffer.from('VSPN1\n'), length, Buffer.from(jwe), body]);
}

async function customerKey() {
  const headers = { Authorization: `Bearer ${azureToken}` };
  const response = await fetch(`${vault}/keys/data?api-version=7.4`, { headers });
  const { key } = (await response.json()) as { readonly key: { readonly kid: string; n: string; e: string } };
  return { kid: key.kid, jwk: { kty: 'RSA', n: key.n, e: key.e } };
}

describe('a stream', () => {
  let vectors: readonly StreamVector[];
  beforeAll(async () => {
    vectors = JSON.parse(await readFile(join(ROOT, 'test/vectors/stream.json'), 'utf8')).cases;
  });
  const vector = (part: string): StreamVector => {
    const found = vectors.find(({ file }) => file.includes(part));
    if (!found) throw new Error(`no vector ${part}`);
    return found;
  };

  test.each(['empty', 'small', 'first-segment-full', 'first-segment-plus-one'])(
    'made by Tink opens: %s',
    async (part) => {
      const { code, plaintext, told } = await open(await stream(vector(part)), CONTEXT);
      const sha256 = createHash('sha256').update(plaintext).digest('hex');
      expect([code, told, sha256]).toEqual([0, '', vector(part).plaintextSha256]);
    },
  );

  /** Three segments. */
  const long = Buffer.alloc(2_500_000, randomBytes(4_099));

  test('that the service sealed over HTTP opens, and fails once changed', async () => {
    const sealed = await postStream(service, '/tenants/contoso/streams/encrypt', { body: long, context: CONTEXT });
    expect(sealed).toMatchObject({ status: 200, isComplete: true });
    const opened = await open(sealed.body, CONTEXT);
    expect([opened.code, opened.told, opened.plaintext.equals(long)]).toEqual([0, '', true]);
    const body = sealed.body.length - 40 - long.length - 3 * 16; // the start of Tink's part
    const third = body + 2 * 2 ** 20;
    for (const [changed, verified] of [
      [sealed.body.subarray(0, third), 1_048_520], // without its last segment: the second is not the last one
      [Buffer.concat([sealed.body, Buffer.of(0)]), 2_097_080],
      [Buffer.concat([sealed.body.subarray(0, body), sealed.body.subarray(third)]), 0],
    ] as const) {
      const { code, told, plaintext } = await open(changed, CONTEXT);
      expect([code, told, plaintext.equals(long.subarray(0, verified))]).toEqual([
        1,
        expect.stringContaining('altered or truncated'),
        true,
      ]);
    }
    expect(await open(sealed.body, {})).toMatchObject({
      code: 1,
      told: expect.stringContaining('context does not match'),
    });
  });

  test('that vaultspan encrypt-file made opens', async () => {
    await writeFile(join(service.folder, 'scan'), long);
    const env = { VAULTSPAN_URL: service.url, VAULTSPAN_TOKEN: service.token() };
    const args = ['encrypt-file', 'scan', '--tenant', 'contoso', '--context', 'file=scan'];
    expect(await runCli(args, { cwd: service.folder, env }).exitCode).toBe(0);
    const sealed = await readFile(join(service.folder, 'scan.vspn'));
    const opened = await open(sealed, { file: 'scan' });
    expect([opened.code, opened.told, opened.plaintext.equals(long)]).toEqual([0, '', true]);
    expect(await open(sealed, { file: 'other' })).toMatchObject({ code: 1, plaintext: Buffer.alloc(0) });
  });

  test('that was cut off or altered fails, and returns only verified segments', async () => {
    const whole = await stream(vector('first-segment-plus-one'));
    const cut = await open(whole.subarray(0, -17), CONTEXT); // exactly at the end of the first segment
    expect([cut.code, cut.plaintext.length]).toEqual([1, 0]);
    const altered = Buffer.from(whole);
    altered[whole.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    const opened = await open(altered, CONTEXT);
    expect([opened.code, opened.plaintext.length]).toEqual([1, 1_048_520]);
    expect(opened.told).toContain('altered or truncated');
    const shorter = await open(whole.subarray(0, 600), CONTEXT);
    expect([shorter.code, shorter.plaintext.length]).toEqual([1, 0]);
    expect(await open(whole, { ...CONTEXT, purpose: 'offer' })).toMatchObject({
      code: 1,
      told: expect.stringContaining('context does not match'),
    });
  });
});

/**
 * Returns a text with one bit flipped, in the character before the last: the last one of a segment
 * may have spare bits.
 */
function flipped(sealed: string): string {
  const parts = sealed.split('.');
  const bytes = Buffer.from(parts[3] ?? '', 'base64url');
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  parts[3] = bytes.toString('base64url');
  return parts.join('.');
}

function withHeader(sealed: string, member: string, value: string): string {
  const [header = '', ...rest] = sealed.split('.');
  const members = { ...JSON.parse(Buffer.from(header, 'base64url').toString()), [member]: value };
  return [Buffer.from(JSON.stringify(members)).toString('base64url'), ...rest].join('.');
}

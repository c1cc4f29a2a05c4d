import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { withBitFlipped, withHeader, withSegment } from '../support/jwe-parts.ts';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';

const encryptionContext = { purpose: 'invoice' };
const plaintext = Buffer.from('an invoice of some length').toString('base64');

let service: TestService;
/** A process that has opened nothing yet. */
let cold: SecondProcess;
let ciphertext: string;
beforeAll(async () => {
  service = await startService();
  ({ ciphertext } = (await encrypt('contoso')).body);
  cold = await startSecondProcess(service);
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await cold[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const encrypt = (tenant: string, more: object = {}) =>
  service.post(`/tenants/${tenant}/encrypt`, { plaintext, encryptionContext, ...more });
const coldDecrypt = (text: string, tenant = 'contoso') =>
  cold.post(`/tenants/${tenant}/decrypt`, { ciphertext: text, encryptionContext });
const vaultCalls = () => [...service.vaultCalls('contoso'), ...service.vaultCalls('fabrikam')];

type Change = (text: string) => string;

const byteShort: Change = (text) => Buffer.from(text, 'base64url').subarray(0, -1).toString('base64url');
const last: Change = (text) => text.slice(0, -1);
/**
 * A canonical last letter of 16 bytes is A, Q, g or w; the next letter decodes to the same bytes.
 */
const spareBits: Change = (text) =>
  text.slice(0, -1) + String.fromCharCode((text.codePointAt(text.length - 1) ?? 0) + 1);

describe('a cold process makes no vault call for', () => {
  test.each<[string, Change]>([
    ['an empty text', () => ''],
    ['no JWE', () => 'not a ciphertext'],
    ['four dots', () => '....'],
    ['a million dots', () => '.'.repeat(1_000_000)],
    ['a JWE of four segments', (text) => text.split('.').slice(0, 4).join('.')],
    ['a JWE of six segments', (text) => `${text}.AAAA`],
    ['a JWE with a newline at its end', (text) => `${text}\n`],
    ['a padded header', (text) => withSegment(text, 0, (segment) => `${segment}=`)],
    ['a header in the other alphabet', (text) => withSegment(text, 0, (segment) => `${segment}+`)],
    ['a header of more than 2,048 characters', (text) => withHeader(text, { more: 'x'.repeat(2_048) })],
    ['a header with one more member', (text) => withHeader(text, { crit: ['x'] })],
    ['a compressed one', (text) => withHeader(text, { zip: 'DEF' })],
    ['a header with a member twice', (text) => withHeader(text, (json) => json.replace('{', '{"alg":"RSA-OAEP-256",'))],
    ['a header with whitespace', (text) => withHeader(text, (json) => json.replace(':', ': '))],
    ['a header with an escape', (text) => withHeader(text, (json) => json.replace('contoso', '\\u0063ontoso'))],
    [
      'members in another order',
      (text) => withHeader(text, (json) => json.replace(/^\{("alg":[^,]+),("enc":[^,]+)/, '{$2,$1')),
    ],
    ['a header that is an array', (text) => withHeader(text, () => '[]')],
    ['a header that is null', (text) => withHeader(text, () => 'null')],
    ['RSA1_5', (text) => withHeader(text, { alg: 'RSA1_5' })],
    ['dir', (text) => withHeader(text, { alg: 'dir' })],
    ['an alg that is not the one of the key', (text) => withHeader(text, { alg: 'RSA-OAEP' })],
    ['an alg whose keys are of another length', (text) => withHeader(text, { alg: 'A256KW' })],
    ['another enc', (text) => withHeader(text, { enc: 'A128GCM' })],
    ['the typ of a stream', (text) => withHeader(text, { typ: 'vaultspan-stream+jwe' })],
    ['a kid without a version', (text) => withHeader(text, (json) => json.replace(/\/[0-9a-f]{32}"/, '"'))],
    [
      'a kid that climbs',
      (text) => withHeader(text, (json) => json.replace(/\/data\/[0-9a-f]{32}"/, '/data/../wrap"')),
    ],
    [
      'a kid in upper case',
      (text) => withHeader(text, (json) => json.replace('https://localhost', 'https://LOCALHOST')),
    ],
    ['a kid with a user name', (text) => withHeader(text, (json) => json.replace('https://', 'https://a@'))],
    ['a kid without TLS', (text) => withHeader(text, (json) => json.replace('https://', 'http://'))],
    ['an encrypted key a byte short', (text) => withSegment(text, 1, byteShort)],
    ['an IV a byte short', (text) => withSegment(text, 2, () => 'AAAAAAAAAAAAAAA')],
    ['an IV of 16 bytes', (text) => withSegment(text, 2, () => 'AAAAAAAAAAAAAAAAAAAAAA')],
    ['an empty tag', (text) => withSegment(text, 4, () => '')],
    ['a tag of 12 bytes', (text) => withSegment(text, 4, (segment) => segment.slice(0, 16))],
    ['a tag with spare bits', (text) => withSegment(text, 4, spareBits)],
    ['a tag that was cut', (text) => withSegment(text, 4, last)],
    ['a ciphertext with whitespace', (text) => withSegment(text, 3, (segment) => ` ${segment}`)],
  ])('%s: 400 malformed-ciphertext', async (_what, change) => {
    const { status, body } = await coldDecrypt(change(ciphertext));
    expect([status, body.code]).toEqual([400, 'malformed-ciphertext']);
    expect(body.errors).toMatchObject([{ pointer: '/ciphertext' }]);
    expect(vaultCalls()).toEqual([]);
  });

  test.each<[string, Change]>([
    ['of another vault', (json) => json.replace(/https:\/\/localhost:\d+/, 'https://evil.vault.azure.net')],
    ['of another name', (json) => json.replace('/keys/data/', '/keys/data2/')],
    ['of use wrap', (json) => json.replace('/keys/data/', '/keys/wrap/')],
  ])('a key %s: 422 unknown-key', async (_what, change) => {
    const { status, body } = await coldDecrypt(withHeader(ciphertext, change));
    expect([status, body.code]).toEqual([422, 'unknown-key']);
    expect(body.errors).toMatchObject([{ pointer: '/ciphertext' }]);
    expect(vaultCalls()).toEqual([]);
  });

  test.each<[string, string, Change]>([
    ['a message of another tenant', 'fabrikam', (text) => text],
    ['a header that says another tenant', 'contoso', (text) => withHeader(text, { tid: 'fabrikam' })],
  ])('%s: 422 wrong-tenant', async (_what, tenant, change) => {
    const { status, body } = await coldDecrypt(change(ciphertext), tenant);
    expect([status, body.code]).toEqual([422, 'wrong-tenant']);
    expect(body.errors).toMatchObject([{ pointer: '/ciphertext' }]);
    expect(vaultCalls()).toEqual([]);
  });

  test.each<[string, Change]>([
    [
      'another version of its key',
      (text) => withHeader(text, (json) => json.replace(/[0-9a-f]{32}"/, `${'0'.repeat(32)}"`)),
    ],
    ['its key in other case', (text) => withHeader(text, (json) => json.replace('/keys/data/', '/keys/DATA/'))],
    ['another mac', (text) => withHeader(text, { mac: 'AAAAAAAAAAAAAAAAAAAAAA' })],
    ['another encrypted key', (text) => withBitFlipped(text, 1, 100)],
  ])('%s: 422 undecryptable', async (_what, change) => {
    const { status, body } = await coldDecrypt(change(ciphertext));
    expect([status, body.code]).toEqual([422, 'undecryptable']);
    expect(body).not.toHaveProperty('errors');
    expect(vaultCalls()).toEqual([]);
  });

  test("another tenant's message under this one's name: 422 undecryptable, as the mac is the other's", async () => {
    const theirs = (await encrypt('fabrikam')).body;
    const ours = (await encrypt('contoso')).body;
    service.emulator.control.clearRequests();
    const moved = withHeader(theirs.ciphertext, { tid: 'contoso', kid: ours.keyId });
    expect((await coldDecrypt(moved)).body.code).toBe('undecryptable');
    expect(vaultCalls()).toEqual([]);
  });
});

describe('a cold process makes one vault call, and returns one body, for', () => {
  const answers: unknown[] = [];

  test.each<[string, number, Change]>([
    ['another commitment', 1, (text) => withHeader(text, { kc: 'A'.repeat(43) })],
    ['a bit of the IV', 0, (text) => withBitFlipped(text, 2, 0)],
    ['the first bit of the ciphertext', 0, (text) => withBitFlipped(text, 3, 0)],
    ['the last bit of the ciphertext', 0, (text) => withBitFlipped(text, 3, -1)],
    ['a ciphertext cut short', 0, (text) => withSegment(text, 3, byteShort)],
    ['an empty ciphertext', 0, (text) => withSegment(text, 3, () => '')],
    ['the first bit of the tag', 0, (text) => withBitFlipped(text, 4, 0)],
    ['the last bit of the tag', 0, (text) => withBitFlipped(text, 4, -1)],
  ])('%s (%i unwrap)', async (_what, unwraps, change) => {
    const { status, body } = await coldDecrypt(change(ciphertext));
    expect([status, body.code]).toEqual([422, 'undecryptable']);
    const { requestId, ...rest } = body;
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    answers.push(rest);
    expect(rest).toEqual(answers[0]);
    expect(service.vaultCalls('contoso').filter((call) => call === 'unwrapKey')).toHaveLength(unwraps);
  });

  test('another digest of the context: 422 context-mismatch', async () => {
    const { status, body } = await coldDecrypt(withHeader(ciphertext, { ctx: 'A'.repeat(43) }));
    expect([status, body.code]).toEqual([422, 'context-mismatch']);
  });
});

test('no altered byte of a message opens, and none is a fault of the service or costs a vault call', async () => {
  const { ciphertext: text } = (await encrypt('contoso', { plaintext: 'aGk=' })).body;
  service.emulator.control.clearRequests();
  const changed = (text.split('.') as string[]).flatMap((segment, at) => {
    const bytes = Buffer.from(segment, 'base64url').length;
    const step = Math.ceil(bytes / 40);
    return Array.from({ length: Math.ceil(bytes / step) }, (_, index) => withBitFlipped(text, at, index * step));
  });
  const answers = await Promise.all(
    changed.map((one) => service.post('/tenants/contoso/decrypt', { ciphertext: one, encryptionContext })),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400, 422]));
  expect(vaultCalls()).toEqual([]);
});

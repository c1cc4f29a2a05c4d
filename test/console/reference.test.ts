import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { answerTypes, type Contract, type Operation, operationsOf } from '../../console/reference/src/contract.ts';
import { boundsOf, typeText } from '../../console/reference/src/parts/schema-facts.ts';
import { plainList } from '../../console/reference/src/plain-list.ts';
import { createExchanges } from '../../console/reference/src/samples/exchanges.ts';
import { PREPARATIONS, prepared } from '../../console/reference/src/samples/preparations.ts';
import { exampleInputs, type Inputs, requestOf } from '../../console/reference/src/samples/request.ts';
import { LANGUAGES, sampleOf } from '../../console/reference/src/samples/samples.ts';
import { matches } from '../../console/reference/src/search.ts';
import { pastedToken } from '../../console/reference/src/token/token-source.ts';
import { bodyText } from '../../console/reference/src/try/body-text.ts';

const BASE = 'https://keys.vendor.example/vault/';
const text = readFileSync(join(import.meta.dirname, '..', '..', 'openapi.yaml'), 'utf8');
const contract = parse(text) as Contract;
const operations = operationsOf(contract);

function operation(id: string): Operation {
  const found = operations.find((one) => one.id === id);
  if (!found) throw new Error(id);
  return found;
}

function inputs(id: string, change: Partial<Inputs> = {}): Inputs {
  const example = exampleInputs(operation(id));
  return { ...example, ...change, parameters: { ...example.parameters, ...change.parameters } };
}

const sample = (language: (typeof LANGUAGES)[number], id: string, change?: Partial<Inputs>): string =>
  sampleOf(language, BASE, operation(id), inputs(id, change));

describe('samples', () => {
  test('exist for every operation in every language, and none has a token', () => {
    expect(operations.length).toBe([...text.matchAll(/^ {6}operationId: /gm)].length);
    for (const { id } of operations) {
      const samples = LANGUAGES.map((language) => sample(language, id));
      expect(new Set(samples).size).toBe(LANGUAGES.length);
      const [example = ''] = samples;
      expect(example.includes('$VAULTSPAN_TOKEN')).toBe(operation(id).needsToken);
      expect(samples.every((one) => one.includes('https://keys.vendor.example/vault/'))).toBe(true);
    }
  });

  test('use the client libraries where these have the call, and plain HTTP where they do not', () => {
    const byClient = (language: 'TypeScript' | 'Python', mark: string): readonly string[] =>
      operations.filter(({ id }) => sample(language, id).includes(mark)).map(({ id }) => id);
    const both = [
      'encryptData',
      'decryptData',
      'rewrapData',
      'encryptBatch',
      'decryptBatch',
      'encryptDocument',
      'decryptDocument',
      'rewrapDocument',
      'encryptDocumentBatch',
      'decryptDocumentBatch',
      'encryptStream',
      'decryptStream',
      'createTokens',
      'encryptDeterministic',
      'decryptDeterministic',
    ];
    expect(byClient('Python', 'import Vaultspan').toSorted()).toEqual(both.toSorted());
    const typescript = [...both, 'rewrapBatch', 'rewrapDocumentBatch'];
    expect(byClient('TypeScript', "from '@vaultspan/client'").toSorted()).toEqual(typescript.toSorted());
  });

  test.each(["it's", '$HOME `id` \\', '"quoted"', 'line\nbreak', '--data', '@file', "'; rm -rf /; '"])(
    'quote %j so that a shell hands it to curl unchanged',
    (value) => {
      const body = JSON.stringify({ plaintext: value });
      const command = sample('curl', 'encryptData', { body, parameters: { 'Access-Reason': value } });
      const script = `curl() { for word in "$@"; do printf '%s\\0' "$word"; done; }\n${command}`;
      const words = execFileSync('sh', ['-c', script], {
        encoding: 'utf8',
        env: { VAULTSPAN_TOKEN: 'a b' },
      }).split('\0');
      expect(words).toEqual([
        'https://keys.vendor.example/vault/tenants/contoso/encrypt',
        '-H',
        'Authorization: Bearer a b',
        '-H',
        'Content-Type: application/json',
        '-H',
        `Access-Reason: ${value}`,
        '--data-raw',
        body,
        '',
      ]);
    },
  );

  test('write values as each language does', () => {
    const body = JSON.stringify({ plaintext: 'aXQncyAiaGVyZSI=', encryptionContext: { 'a-b': "it's" } });
    expect(sample('TypeScript', 'encryptData', { body })).toContain(
      `tenant.encrypt('it\\'s "here"', { context: { 'a-b': 'it\\'s' } })`,
    );
    expect(sample('Python', 'encryptData', { body })).toContain(
      `tenant.encrypt("it's \\"here\\"", context={"a-b": "it's"})`,
    );
    const bytes = JSON.stringify({ plaintext: '/w==' });
    expect(sample('TypeScript', 'encryptData', { body: bytes })).toContain(`encrypt(Buffer.from('/w==', 'base64'))`);
    expect(sample('Python', 'encryptData', { body: bytes })).toContain(`encrypt(b64decode("/w=="))`);
    const patch = JSON.stringify({ displayName: null, leases: { on: true } });
    expect(sample('TypeScript', 'patchTenant', { body: patch })).toContain(
      '{ displayName: null, leases: { on: true } }',
    );
    expect(sample('Python', 'wrapKey', { body: patch })).toContain(
      'json={"displayName": None, "leases": {"on": True}}',
    );
  });

  test('send a body that the client libraries cannot make as it was entered', () => {
    for (const body of ['{', '{"plaintext":"aGk=","other":1}', '{"plaintext":1}', '[]']) {
      expect(sample('TypeScript', 'encryptData', { body })).toContain('await fetch(');
      expect(sample('Python', 'encryptData', { body })).toContain('httpx.post(');
    }
    const keys = JSON.stringify({ items: [{ plaintext: 'aGk=', key: 'a' }, { plaintext: 'aGk=' }] });
    expect(sample('Python', 'encryptBatch', { body: keys })).toContain('httpx.post(');
    expect(sample('TypeScript', 'encryptBatch', { body: keys })).toContain('Promise.all');
  });

  test('name the caller whom the access headers name', () => {
    const parameters = { 'Access-Subject': 'j%C3%A9r%C3%B4me', 'Access-Reason': '100%' };
    expect(sample('TypeScript', 'encryptData', { parameters })).toContain(
      `tenant('contoso', { access: { subject: 'jérôme', reason: '100%' } })`,
    );
    expect(sample('Python', 'encryptData', { parameters })).toContain(
      'tenant("contoso", access=Access(subject="jérôme", reason="100%"))',
    );
  });

  test('read a file where the body is one', () => {
    const body = new File(['x'], "a 'b'.bin");
    expect(sample('curl', 'decryptStream', { body })).toContain(`--data-binary '@a '\\''b'\\''.bin'`);
    expect(sample('TypeScript', 'decryptStream', { body })).toContain(`openAsBlob('a \\'b\\'.bin')`);
    expect(sample('Python', 'decryptStream', { body })).toContain(`open("a 'b'.bin", "rb")`);
  });
});

describe('requests', () => {
  test('encode paths and queries, and keep the slashes that a parameter may have', () => {
    const path = (id: string, parameters: Inputs['parameters']): string =>
      requestOf(operation(id), inputs(id, { parameters })).path;
    expect(path('getTenant', { tenantId: '../x?y#z' })).toBe('tenants/..%2Fx%3Fy%23z');
    expect(path('getLogTile', { index: 'x001/067.p/12' })).toBe('tenants/contoso/log/tile/0/x001/067.p/12');
    expect(path('listTenants', { search: 'a&b=c', limit: '' })).toBe('tenants?search=a%26b%3Dc');
  });

  test('ask for the form of the answer only if it is not the usual one', () => {
    expect(requestOf(operation('readUsage'), inputs('readUsage')).headers).toEqual({});
    expect(requestOf(operation('readUsage'), inputs('readUsage', { accept: 'text/csv' })).headers).toEqual({
      Accept: 'text/csv',
    });
    expect(answerTypes(operation('ringDoorbell'))).toEqual([]); // it is usually empty
  });
});

describe('values that work', () => {
  test('come from operations of the contract, and without a click only from those that change nothing', () => {
    for (const [id, { from, isByHand }] of Object.entries(PREPARATIONS)) {
      expect(operation(id).id).toBe(id);
      const { method, tag } = operation(from);
      expect(isByHand === true || method === 'GET' || ['Data', 'Streams', 'Keys', 'Look-ups'].includes(tag)).toBe(true);
    }
  });

  test('keep the tenant that was entered', async () => {
    const paths: string[] = [];
    const exchanges = createExchanges({
      contract,
      operations,
      call: async ({ path }) => {
        paths.push(path);
        return Response.json({ ciphertext: 'eyJ', keyId: 'k' });
      },
    });
    const entered = inputs('decryptData', { parameters: { tenantId: 'fabrikam' } });
    const ready = await prepared(operation('decryptData'), entered, exchanges);
    expect(paths).toEqual(['tenants/fabrikam/encrypt']);
    expect([ready.parameters, JSON.parse(String(ready.body))]).toEqual([
      { tenantId: 'fabrikam' },
      { ciphertext: 'eyJ', encryptionContext: { purpose: 'invoice', id: '4711' } },
    ]);
  });

  test('are refused with the reason of the service, or with what to send first', async () => {
    const call = async () => Response.json({ code: 'grant-missing' }, { status: 403 });
    const exchanges = createExchanges({ contract, operations, call });
    const prepare = (id: string) => prepared(operation(id), inputs(id), exchanges);
    await expect(prepare('decryptData')).rejects.toThrow('encryptData answered 403: {"code":"grant-missing"}');
    await expect(prepare('getDrill')).rejects.toThrow('Send startDrill first');
  });

  test.each([
    [1, '000.p/1'],
    [256, '000'],
    [257, '001.p/1'],
    [256 * 1_067 + 12, 'x001/067.p/12'],
    [256 * 1_234_068, 'x001/x234/067'],
  ])('name the last tile of a log of %d entries', async (size, index) => {
    const call = async () => new Response(`origin\n${size}\nhash\n`);
    const exchanges = createExchanges({ contract, operations, call });
    const ready = await prepared(operation('getLogTile'), inputs('getLogTile'), exchanges);
    expect(ready.parameters['index']).toBe(index);
  });
});

describe('the page', () => {
  test('finds operations by id, path, parameter and code', () => {
    const found = (query: string): readonly string[] =>
      operations.filter((one) => matches(one, query)).map(({ id }) => id);
    expect(found('rewrapstreamheader')).toEqual(['rewrapStreamHeader']);
    expect(found('post /tenants/{tenantId}/wrap')).toEqual(['wrapKey']);
    expect(found('drill-running')).toEqual(['startDrill']);
    expect(found('no such words')).toEqual([]);
    expect(found('').length).toBe(operations.length);
  });

  test('shows types and bounds', () => {
    const { EncryptRequest: request = {} } = contract.components.schemas;
    const { key = {}, encryptionContext = {}, plaintext = {} } = request.properties ?? {};
    expect([plaintext, encryptionContext].map((schema) => typeText(contract, schema))).toEqual([
      'string (byte)',
      'EncryptionContext',
    ]);
    expect(boundsOf(key)).toEqual(['1 to 64 characters']);
    expect(boundsOf({ enum: ['a', 'b'], default: 'a', maximum: 1_000 })).toEqual([
      'at most 1,000',
      'one of `a`, `b`',
      'default `a`',
    ]);
  });

  test('lists the operations without JavaScript, escaped', () => {
    const list = plainList({ ...contract, tags: [{ name: 'Data', description: '<script>"&' }] });
    expect(list).toContain('<p>&lt;script&gt;&quot;&amp;</p>');
    expect(list).toContain('<code>POST /tenants/{tenantId}/encrypt</code>');
    expect(plainList(contract).match(/<li>/g)?.length).toBe(operations.length);
  });

  test('shows bodies as text, as JSON with line breaks, or in hexadecimal', () => {
    const bytes = (value: string) => new TextEncoder().encode(value);
    expect(bodyText('application/problem+json', bytes('{"a":1}')).text).toBe('{\n  "a": 1\n}');
    expect(bodyText('application/x-ndjson', bytes('{"a":1}\n{}')).text).toBe('{"a":1}\n{}');
    expect(bodyText('application/json', bytes('{')).text).toBe('{');
    expect(bodyText('application/octet-stream', bytes('hello'))).toEqual({
      text: '68 65 6c 6c 6f',
      note: 'In hexadecimal.',
    });
    expect(bodyText('text/plain', bytes('x'.repeat(100_001))).text.length).toBe(100_000);
  });

  test('takes a token with or without its scheme, and says what the token says about itself', async () => {
    const claims = new TextEncoder().encode(JSON.stringify({ roles: ['Data.Encrypt'], exp: 0 }));
    const token = `h.${claims.toBase64({ alphabet: 'base64url', omitPadding: true })}.s`;
    const source = pastedToken(`  Bearer ${token}\n`);
    expect(await source.get()).toBe(token);
    expect(source.name).toMatch(/^Token with Data\.Encrypt until /);
    expect(pastedToken('opaque').name).toBe('Token pasted');
    expect([pastedToken(' ').name, await pastedToken(' ').get()]).toEqual([undefined, '']);
  });
});

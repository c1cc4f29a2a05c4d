import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { compactDecrypt, importJWK, type JWK } from 'jose';
import { indexKeyFrom, sealDeterministic } from '../../src/format/index-key.ts';
import { CMK_V1, Deployment, HSM_KEY, headerOf } from '../support/deployment.ts';
import { FIRST, LATER, newStreamKey, openStream, PREFIX, sealStream } from '../support/streams.ts';
import { messages } from '../support/vectors.ts';

const SIZES = [0, 1, 15, 16, 17, 1_024, 1_048_576];
const CONTEXTS = [undefined, { purpose: 'invoice', 'naïve €': '😀' }];
const KEYS = [
  ['cmk', 'RSA-OAEP-256', 'cached'],
  ['cmk', 'RSA-OAEP', 'cached'],
  ['cmk', 'RSA-OAEP-256', 'perMessage'],
  ['cmk', 'RSA-OAEP', 'perMessage'],
  ['hsm', 'A256KW', 'cached'],
  ['hsm', 'A256KW', 'perMessage'],
] as const;

interface Message {
  readonly ciphertext: string;
  readonly plaintext: Buffer;
  /** The customer's private key. */
  readonly key: JWK;
}

const sealed: Message[] = [];

beforeAll(async () => {
  for (const [alias, algorithm, mode] of KEYS) {
    const { keys } = await new Deployment().get('contoso');
    const { [alias]: key, ...others } = keys;
    if (!key) throw new Error(`no key ${alias}`);
    const deployment = new Deployment({ keys: { ...others, [alias]: { ...key, algorithm } }, dataKeys: { mode } });
    const process = deployment.start();
    for (const context of CONTEXTS) {
      for (const size of SIZES) {
        const plaintext = randomBytes(size);
        const ciphertext = await process.encrypt(plaintext, { key: alias, context });
        expect(headerOf(ciphertext)).toMatchObject({ alg: algorithm, kid: alias === 'cmk' ? CMK_V1 : HSM_KEY });
        sealed.push({ ciphertext, plaintext, key: keyOf(ciphertext) });
      }
    }
  }
});

function keyOf(ciphertext: string): JWK {
  const { kid = '' } = headerOf(ciphertext);
  return messages.keys[kid] as JWK;
}

const isSame = (opened: readonly Uint8Array[]): boolean[] =>
  sealed.map(({ plaintext }, index) => plaintext.equals(opened[index] ?? Buffer.from('nothing')));

const count = KEYS.length * CONTEXTS.length * SIZES.length;

describe('messages of every size, with and without a context, under every kind of key', () => {
  test('open with jose and the private key', async () => {
    const opened = await Promise.all(
      sealed.map(async ({ ciphertext, key }) => {
        const { plaintext } = await compactDecrypt(ciphertext, await importJWK(key, headerOf(ciphertext)['alg']));
        return plaintext;
      }),
    );
    expect(isSame(opened)).toEqual(Array.from({ length: count }, () => true));
  });

  test('open with jwcrypto and the private key', () => {
    const opened = python(
      'test/support/python/open_with_jwcrypto.py',
      sealed.map(({ ciphertext, key }) => ({ ciphertext, key })),
    );
    expect(isSame(opened)).toEqual(Array.from({ length: count }, () => true));
  }, 300_000);
});

describe('streams of every size', () => {
  const sizes = [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + LATER, FIRST + LATER + 1, 3_500_000];
  const plaintexts = sizes.map((size) => Buffer.alloc(size, 'a plaintext that goes on and on'));
  const streamKey = newStreamKey().toString('base64');
  const tink = (streams: readonly object[]) => python('test/support/python/tink_streams.py', streams);
  const areSame = (opened: readonly Buffer[]) => plaintexts.map((plaintext, index) => opened[index]?.equals(plaintext));
  const allSame = sizes.map(() => true);

  test('sealed by us open with Tink', () => {
    const bodies = plaintexts.map((plaintext) => sealStream(plaintext).toString('base64', PREFIX));
    expect(areSame(tink(bodies.map((body) => ({ streamKey, sealed: body }))))).toEqual(allSame);
  }, 300_000);

  test('sealed by Tink open with us', () => {
    const bodies = tink(plaintexts.map((plaintext) => ({ streamKey, plaintext: plaintext.toString('base64') })));
    const prefix = sealStream(Buffer.alloc(0)).subarray(0, PREFIX);
    expect(areSame(bodies.map((body) => openStream(Buffer.concat([prefix, body]))))).toEqual(allSame);
  }, 300_000);
});

describe('deterministic values', () => {
  const plaintexts = [0, 1, 15, 16, 17, 31, 32, 33, 1_000].map((size) => Buffer.alloc(size, 'a value'));
  const contexts = [undefined, Buffer.from('{"table":"customers"}')];
  const cases = plaintexts.flatMap((plaintext) => contexts.map((context) => ({ plaintext, context })));
  const key = indexKeyFrom(Buffer.alloc(64, 3), 'email', 7);
  const siv = key.deterministicKey.export().toString('base64');
  const tink = (items: readonly object[]) => python('test/support/python/tink_deterministic.py', items);
  const itemOf = (context: Buffer | undefined) => ({
    key: siv,
    version: key.version,
    context: (context ?? Buffer.alloc(0)).toString('base64'),
  });

  test('sealed by us open with a Tink keyset, and Tink seals the same bytes', () => {
    const sealed = cases.map(({ plaintext, context }) =>
      Buffer.from(sealDeterministic(key, plaintext, context), 'base64url'),
    );
    const given = cases.map(({ context }, at) => ({ ...itemOf(context), sealed: sealed[at]?.toString('base64') }));
    expect(tink(given)).toEqual(cases.map(({ plaintext }) => plaintext));
    const toSeal = cases.map(({ plaintext, context }) => ({
      ...itemOf(context),
      plaintext: plaintext.toString('base64'),
    }));
    expect(tink(toSeal)).toEqual(sealed);
  }, 300_000);
});

/** Returns a script's output for an input: a list of bytes in base64. */
function python(script: string, input: unknown): Buffer[] {
  const interpreter = run('scripts/python-venv.sh', []).trim();
  const answer = JSON.parse(run(interpreter, [script], JSON.stringify(input))) as string[];
  return answer.map((text) => Buffer.from(text, 'base64'));
}

/** Returns a program's output. It fails with the program's error, such as a missing package. */
function run(command: string, args: readonly string[], input = ''): string {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    input,
    encoding: 'utf8',
    maxBuffer: 256 * 1_024 * 1_024,
  });
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`, { cause: error });
  return stdout;
}

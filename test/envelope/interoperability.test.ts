import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { compactDecrypt, importJWK, type JWK } from 'jose';
import { CMK_V1, Deployment, HSM_KEY, headerOf } from './deployment.ts';
import { messages } from './vectors.ts';

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
    const python = run('scripts/python-venv.sh', []).trim();
    const input = sealed.map(({ ciphertext, key }) => ({ ciphertext, key }));
    const answer = run(python, ['test/envelope/open_with_jwcrypto.py'], JSON.stringify(input));
    const opened = (JSON.parse(answer) as string[]).map((text) => Buffer.from(text, 'base64'));
    expect(isSame(opened)).toEqual(Array.from({ length: count }, () => true));
  }, 300_000);
});

/** What a program writes. It fails with what the program complained of, such as what must be installed. */
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

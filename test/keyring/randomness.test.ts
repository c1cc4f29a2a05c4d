import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type DrawRandom, mixed, pooled, systemRandom } from '../../src/lib/random.ts';
import { createDataKey } from '../../src/operations/create-data-key.ts';
import { encryptStream } from '../../src/operations/encrypt-stream.ts';
import { call, Deployment, encryptedKeyOf } from '../support/deployment.ts';

/** Returns a generator with a copied state: two with one seed return the same bytes. */
function copyOf(seed: string): DrawRandom {
  let state = createHash('sha256').update(seed).digest();
  return (bytes) => {
    const parts: Buffer[] = [];
    for (let length = 0; length < bytes; length += 32) {
      state = createHash('sha256').update(state).digest();
      parts.push(state);
    }
    return Buffer.concat(parts).subarray(0, bytes);
  };
}

const ivOf = (ciphertext: string): string | undefined => ciphertext.split('.')[2];

/**
 * Returns the values that one process draws. AES key wrap is deterministic: the wrapped keys are
 * equal if the keys are.
 */
async function drawnBy(library: string, kernel: string): Promise<Readonly<Record<string, string | undefined>>> {
  const draw = mixed(copyOf(library), copyOf(kernel));
  const each = new Deployment({ defaultKey: 'hsm', dataKeys: { mode: 'perMessage' } });
  each.draw = draw;
  const ofItsOwn = encryptedKeyOf(await each.start().encrypt());
  const deployment = new Deployment({ defaultKey: 'hsm' });
  deployment.draw = draw;
  const process = deployment.start();
  const message = await process.encrypt();
  const { plaintext } = await createDataKey(process.deps(), call, { tenantId: 'contoso' });
  const { transform } = await encryptStream(process.deps(), call, { tenantId: 'contoso', bytes: 0 });
  const [prefix = Buffer.alloc(0), header = Buffer.alloc(0), tag = Buffer.alloc(0)] = transform.end();
  const streamKey = await process.decrypt(prefix.toString('latin1', 10)).catch(() => tag);
  return {
    'data key': encryptedKeyOf(message),
    'data key of one message': ofItsOwn,
    IV: ivOf(message),
    'data key handed out': plaintext.toString('hex'),
    'salt of a stream': header.toString('hex', 1, 33),
    'nonce prefix of a stream': header.toString('hex', 33),
    'tag under the stream key': streamKey.toString('hex'),
  };
}

describe('a process resumed from a snapshot', () => {
  test('whose library generator is a copy draws other keys, IVs and salts than its original', async () => {
    const [original, clone] = [await drawnBy('library', 'kernel'), await drawnBy('library', 'kernel of the clone')];
    for (const [name, drawn] of Object.entries(original)) expect([name, clone[name]]).not.toEqual([name, drawn]);
  });

  test('whose kernel generator is a copy draws others as well', async () => {
    const [original, clone] = [await drawnBy('library', 'kernel'), await drawnBy('library of the clone', 'kernel')];
    for (const [name, drawn] of Object.entries(original)) expect([name, clone[name]]).not.toEqual([name, drawn]);
  });

  test('draws the same if both are copies: no other source is added', async () => {
    expect(await drawnBy('library', 'kernel')).toEqual(await drawnBy('library', 'kernel'));
  });
});

describe('the generators together', () => {
  test('overwrite the bytes that each of them returned', () => {
    const given: Buffer[] = [];
    const source = (): DrawRandom => (bytes) => {
      const drawn = Buffer.alloc(bytes, 7);
      given.push(drawn);
      return drawn;
    };
    expect(mixed(source(), source())(40)).toHaveLength(40);
    expect(given).toEqual([Buffer.alloc(32), Buffer.alloc(40)]);
  });

  test('give each byte of a pool once, in memory of its own, and overwrite it in the pool', () => {
    const pools: Buffer[] = [];
    const draw = pooled((bytes) => {
      const pool = Buffer.from(Array.from({ length: bytes }, (_, n) => (n % 255) + 1));
      pools.push(pool);
      return pool;
    });
    const drawn = Array.from({ length: 400 }, (_, n) => draw((n % 32) + 1));
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = pools;
    expect(pools).toHaveLength(2);
    expect(first.every((byte) => byte === 0)).toBe(true);
    const used = second.findIndex((byte) => byte !== 0);
    expect(second.subarray(used)).toEqual(
      Buffer.from(Array.from({ length: 4_096 - used }, (_, n) => ((used + n) % 255) + 1)),
    );
    const kept = drawn.reduce((sum, { length }) => sum + length, 0);
    expect(drawn.every(({ buffer, length }) => buffer.byteLength === length)).toBe(true);
    expect(kept).toBeGreaterThan(4_096);
    expect(drawn.map((bytes) => bytes[0])).not.toContain(0);
    expect(draw(33)).toHaveLength(33);
    expect(pools[2]).toHaveLength(33);
  });

  test('fail if the kernel returns nothing', () => {
    const broken: DrawRandom = () => {
      throw new Error('no device');
    };
    expect(() => mixed(systemRandom, broken)(32)).toThrow('no device');
  });

  test('of the system return as many bytes as requested, never the same', () => {
    const drawn = Array.from({ length: 50 }, () => systemRandom(6_144));
    expect(new Set(drawn.map((bytes) => bytes.toString('hex', 0, 32))).size).toBe(50);
    for (const bytes of drawn) expect(bytes).toHaveLength(6_144);
  });
});

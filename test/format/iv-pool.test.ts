import { expect, test } from '@jest/globals';
import { IvPool } from '../../src/format/iv-pool.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { Deployment } from '../support/deployment.ts';

const COUNT = 100_000;
const hexOf = (iv: Buffer): string => iv.toString('hex');

test('100,000 IVs are 12 bytes each and all differ, even across drops', () => {
  const pool = new IvPool(systemRandom);
  const ivs = Array.from({ length: COUNT }, (_, index) => {
    if (index % 777 === 0) pool.drop();
    return hexOf(pool.take());
  });
  expect(new Set(ivs).size).toBe(COUNT);
  expect(ivs.every((iv) => iv.length === 24)).toBe(true);
});

test('a held IV does not change when the pool is filled again', () => {
  const pool = new IvPool(systemRandom);
  const held = Array.from({ length: 600 }, () => pool.take());
  const before = held.map(hexOf);
  for (let taken = 0; taken < 2_000; taken += 1) pool.take();
  expect(held.map(hexOf)).toEqual(before);
});

test('many IVs at once are others than those before and after, also beyond the end of a draw', () => {
  const pool = new IvPool(systemRandom);
  const taken = Array.from({ length: 300 }, (_, n) => {
    const ivs = pool.takeMany((n * 7) % 129);
    return ivs.toString('hex').match(/.{24}/g) ?? [];
  });
  expect(taken.map(({ length }) => length)).toEqual(taken.map((_, n) => (n * 7) % 129));
  const all = [...taken.flat(), ...Array.from({ length: 600 }, () => hexOf(pool.take()))];
  expect(new Set(all).size).toBe(all.length);
  expect(pool.takeMany(512)).toHaveLength(512 * 12);
  expect(() => pool.takeMany(513)).toThrow();
});

test('two IVs share no memory', () => {
  const pool = new IvPool(systemRandom);
  const [first, second] = [pool.take(), pool.take()];
  const before = hexOf(second);
  first.fill(0);
  expect(hexOf(second)).toBe(before);
});

test('encrypt never uses the same IV twice, over several data keys and tenants', async () => {
  const deployment = new Deployment({ dataKeys: { maxMessages: 700 } });
  const process = deployment.start();
  const ivs = new Set<string>();
  for (let count = 0; count < 3_000; count += 1) {
    const message = await process.encrypt('a', { key: count % 2 === 0 ? 'cmk' : 'hsm' });
    ivs.add(message.split('.')[2] ?? '');
  }
  expect(ivs.size).toBe(3_000);
});

import { expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { askedGauge } from '../../src/telemetry/read-metrics.ts';

const DESCRIBED = { name: 'asked', help: 'A value that takes a query' };

/** Returns the value in a scrape; undefined without a value. */
async function shown(registry: Registry): Promise<number | undefined> {
  const value = /^asked (\S+)$/m.exec(await registry.metrics())?.[1];
  return value === undefined ? undefined : Number(value);
}

test('a value is queried once within its maximum age, however many scrapes there are', async () => {
  const registry = new Registry();
  let asked = 0;
  askedGauge(registry, DESCRIBED, 3_600_000, async () => {
    asked += 1;
    return asked;
  });
  expect(asked).toBe(0);
  expect([await shown(registry), await shown(registry), asked]).toEqual([1, 1, 1]);
});

test('a failed query keeps the last value, and a result without a value removes it', async () => {
  const registry = new Registry();
  const answers: (() => Promise<number | undefined>)[] = [
    () => Promise.reject(new Error('away')),
    async () => 7,
    () => Promise.reject(new Error('away')),
    async () => undefined,
  ];
  askedGauge(registry, DESCRIBED, 0, () => answers.shift()?.() ?? Promise.resolve(undefined));
  const seen = [];
  for (let scrape = 0; scrape < 4; scrape += 1) seen.push(await shown(registry));
  expect(seen).toEqual([undefined, 7, 7, undefined]);
});

test('a query without a result does not delay the scrape, and its value appears when it arrives', async () => {
  const registry = new Registry();
  const late = Promise.withResolvers<number>();
  askedGauge(registry, DESCRIBED, 3_600_000, () => late.promise);
  expect(await shown(registry)).toBeUndefined();
  late.resolve(7);
  await late.promise;
  expect(await shown(registry)).toBe(7);
});

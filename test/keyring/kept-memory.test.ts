import { memoryUsage } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { Deployment, settle } from '../support/deployment.ts';

const MIB = 1_048_576;
const MESSAGES = 16;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function heapInUse(): Promise<number> {
  // Twice: memory outside the heap that the first run finds is released meanwhile.
  for (let time = 0; time < 2; time += 1) {
    collect();
    await settle();
  }
  return memoryUsage().heapUsed + memoryUsage().external;
}

test('the cached part of an opened message holds no other part of it', async () => {
  const deployment = new Deployment({ dataKeys: { mode: 'perMessage' } });
  const [sealing, opening] = [deployment.start(), deployment.start()];
  const before = await heapInUse();
  for (let count = 0; count < MESSAGES; count += 1) {
    const context = { count: `${count}` };
    const message = await sealing.encrypt(Buffer.alloc(2 * MIB), { context });
    // As JSON.parse returns it: one flat string.
    await opening.decrypt(JSON.parse(JSON.stringify(message)) as string, { context });
  }
  expect(((await heapInUse()) - before) / MIB).toBeLessThan(MESSAGES / 2);
});

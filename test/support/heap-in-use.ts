import { memoryUsage } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Returns the bytes in use on V8's heap and in buffers, after a garbage collection. */
export async function heapInUse(): Promise<number> {
  // Twice: memory outside the heap that the first run finds is released meanwhile.
  for (let time = 0; time < 2; time += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return memoryUsage().heapUsed + memoryUsage().external;
}

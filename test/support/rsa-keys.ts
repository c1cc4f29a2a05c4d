import type { KeyObject } from 'node:crypto';
import { newRsaKey, type RsaKeys } from '../../src/emulator/seed.ts';

const made: Promise<KeyObject>[] = [];

/**
 * Returns the RSA keys of one emulator, which differ. The next emulator of this process gets the
 * same keys: to make them takes most of the CPU time of its start.
 */
export function rsaKeys(): RsaKeys {
  let next = 0;
  return () => {
    const key = made[next] ?? newRsaKey();
    made[next] = key;
    next += 1;
    return key;
  };
}

import { SignIns } from '../../src/azure/entra/sign-ins.ts';
import type { HomeCredential } from '../../src/azure/home/home-credential.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';

/** Returns sign-ins of a home credential as compose makes them. */
export const signInsOf = (home: HomeCredential, appId: string, clock: Clock = systemClock): SignIns =>
  new SignIns({ home, appId, timeoutMs: 5_000, clock });

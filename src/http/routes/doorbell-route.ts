import { doorbellRate, type RingDoorbellDeps, ringDoorbell } from '../../operations/ring-doorbell.ts';
import type { Handler } from './mount.ts';

export const ringDoorbellRoute = (deps: RingDoorbellDeps): Handler<'ringDoorbell'> => {
  const rate = doorbellRate();
  return async ({ params, requestId }) => {
    await ringDoorbell(deps, rate, { requestId, bell: params.bell });
    return undefined;
  };
};

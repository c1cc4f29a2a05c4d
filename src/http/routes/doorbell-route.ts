import { doorbell, type RingDoorbellDeps } from '../../operations/ring-doorbell.ts';
import type { Handler } from './mount.ts';

export const ringDoorbellRoute = (deps: RingDoorbellDeps): Handler<'ringDoorbell'> => {
  const ring = doorbell(deps);
  return async ({ params, requestId }) => {
    await ring(requestId, params.bell);
    return undefined;
  };
};

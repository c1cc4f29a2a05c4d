import { doorbellRate, type RingDoorbellDeps, ringDoorbell } from '../../operations/ring-doorbell.ts';
import type { Handler } from './mount.ts';

export const ringDoorbellRoute = (deps: RingDoorbellDeps): Handler<'ringDoorbell'> => {
  const rate = doorbellRate();
  return async ({ params, body: events = [], requestId }) => {
    const validationResponse = events.map(({ data }) => data?.validationCode).find((code) => code !== undefined);
    if (validationResponse !== undefined) return { validationResponse };
    await ringDoorbell(deps, rate, { requestId, bell: params.bell });
    return undefined;
  };
};

import { doorbellLimit, type RingDoorbellDeps, ringDoorbell } from '../../operations/ring-doorbell.ts';
import type { Handler } from './mount.ts';

export const ringDoorbellRoute = (deps: RingDoorbellDeps): Handler<'ringDoorbell'> => {
  const limit = doorbellLimit(deps.bells);
  return async ({ params, body: events = [], requestId, stepAside }) => {
    const validationResponse = events.map(({ data }) => data?.validationCode).find((code) => code !== undefined);
    if (validationResponse !== undefined) return { validationResponse };
    await ringDoorbell(deps, limit, { requestId, bell: params.bell, stepAside });
    return undefined;
  };
};

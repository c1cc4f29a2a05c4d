import { createLease } from '../../operations/leases/create-lease.ts';
import type { LeaseDeps } from '../../operations/leases/lease-deps.ts';
import { type OpenedLease, openLeases } from '../../operations/leases/open-leases.ts';
import { reportLeaseUsage } from '../../operations/leases/report-lease-usage.ts';
import { LeasedMessage } from '../contract/lease-fields.ts';
import { answer, type BatchDeps, itemsOf } from './batch-routes.ts';
import type { Handlers } from './mount.ts';

export type LeaseRoutesDeps = LeaseDeps & BatchDeps;

export const leaseRoutes = (
  deps: LeaseRoutesDeps,
): Pick<Handlers, 'createLease' | 'openLeases' | 'reportLeaseUsage'> => ({
  createLease: async ({ params: { tenantId }, body }, request) => {
    const { key, requiredContext, ...lease } = await createLease(deps, request, { tenantId, ...body });
    return { ...lease, key: taken(key), ...(requiredContext.length > 0 && { requiredContext }) };
  },
  openLeases: async ({ params: { tenantId }, body }, request) => {
    const items = itemsOf(deps, request, LeasedMessage, { items: body.messages });
    return answer(deps, request, await openLeases(deps, request, { tenantId, items }), opened, 'messages');
  },
  reportLeaseUsage: async ({ params, body }, request) => {
    await reportLeaseUsage(deps, request, { ...params, ...body });
    return undefined;
  },
});

const opened = ({ key, ...lease }: OpenedLease) => ({ ...lease, key: taken(key) });

/** Returns the key in base64 and overwrites its bytes. */
function taken(key: Buffer): string {
  const text = key.toString('base64');
  key.fill(0);
  return text;
}

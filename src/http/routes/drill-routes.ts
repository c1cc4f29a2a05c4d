import { cancelDrill, type DrillDeps, getDrill, listDrills, startDrill } from '../../operations/drills/drills.ts';
import type { Handlers } from './mount.ts';

export const drillRoutes = (
  deps: DrillDeps,
): Pick<Handlers, 'startDrill' | 'listDrills' | 'getDrill' | 'cancelDrill'> => ({
  startDrill: ({ params: { tenantId }, body }, request) => startDrill(deps, request, { tenantId, ...body }),
  listDrills: ({ params }, request) => listDrills(deps, request, params.tenantId),
  getDrill: ({ params }, request) => getDrill(deps, request, params),
  cancelDrill: async ({ params }, request) => {
    await cancelDrill(deps, request, params);
    return undefined;
  },
});

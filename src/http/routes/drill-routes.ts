import { cancelDrill, type DrillDeps, getDrill, startDrill } from '../../operations/drills/drills.ts';
import type { Handlers } from './mount.ts';

export const drillRoutes = (deps: DrillDeps): Pick<Handlers, 'startDrill' | 'getDrill' | 'cancelDrill'> => ({
  startDrill: ({ params: { tenantId }, body }, request) => startDrill(deps, request, { tenantId, ...body }),
  getDrill: ({ params }, request) => getDrill(deps, request, params),
  cancelDrill: async ({ params }, request) => {
    await cancelDrill(deps, request, params);
    return undefined;
  },
});

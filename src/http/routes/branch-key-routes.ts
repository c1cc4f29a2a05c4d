import { shownKey } from '../../keyring/key-line.ts';
import { type ListBranchKeysDeps, listBranchKeys } from '../../operations/branches/list-branch-keys.ts';
import { type RewrapBranchKeysDeps, rewrapBranchKeys } from '../../operations/branches/rewrap-branch-keys.ts';
import type { Handlers } from './mount.ts';

export type BranchKeyRoutesDeps = ListBranchKeysDeps & RewrapBranchKeysDeps;

export const branchKeyRoutes = (deps: BranchKeyRoutesDeps): Pick<Handlers, 'listBranchKeys' | 'rewrapBranchKeys'> => ({
  listBranchKeys: async ({ params, query }, call) => {
    const { keys, ...page } = await listBranchKeys(deps, call, { tenantId: params.tenantId, ...query });
    return { keys: keys.map(shownKey), ...page };
  },
  rewrapBranchKeys: ({ params, body }, call) => rewrapBranchKeys(deps, call, { tenantId: params.tenantId, ...body }),
});

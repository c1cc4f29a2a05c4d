import {
  type ChangeIndexDeps,
  getIndex,
  retireIndexVersion,
  rotateIndex,
} from '../../operations/indexes/change-index.ts';
import { type CreateTokensDeps, createTokens } from '../../operations/indexes/create-tokens.ts';
import {
  type DeterministicDeps,
  decryptDeterministic,
  encryptDeterministic,
} from '../../operations/indexes/deterministic.ts';
import type { BatchDeps } from './batch-routes.ts';
import type { Handlers } from './mount.ts';

export type IndexRoutesDeps = CreateTokensDeps & DeterministicDeps & ChangeIndexDeps & BatchDeps;

type IndexRoute =
  | 'createTokens'
  | 'encryptDeterministic'
  | 'decryptDeterministic'
  | 'getIndex'
  | 'rotateIndex'
  | 'retireIndexVersion';

/** Returns the routes of look-ups. Each value counts as a call of its caller. */
export const indexRoutes = (deps: IndexRoutesDeps): Pick<Handlers, IndexRoute> => ({
  createTokens: ({ params, body }, request) => {
    deps.admission.chargeItems(request.principal.id, body.values.length);
    return createTokens(deps, request, { ...params, ...body });
  },
  encryptDeterministic: ({ params, body }, request) => {
    deps.admission.chargeItems(request.principal.id, body.values.length);
    return encryptDeterministic(deps, request, { ...params, ...body });
  },
  decryptDeterministic: async ({ params, body }, request) => {
    deps.admission.chargeItems(request.principal.id, body.values.length);
    const values = await decryptDeterministic(deps, request, { ...params, ...body });
    return { values: values.map((value) => value.toString('base64')) };
  },
  getIndex: ({ params }, request) => getIndex(deps, request, params),
  rotateIndex: ({ params }, request) => rotateIndex(deps, request, params),
  retireIndexVersion: ({ params, body }, request) => retireIndexVersion(deps, request, { ...params, ...body }),
});

import {
  getLogCheckpoint,
  getLogEntries,
  getLogProof,
  getLogTile,
  type LogProofInput,
  type ReadLogDeps,
} from '../../operations/audit/read-log.ts';
import type { Handlers } from './mount.ts';

export const logRoutes = (
  deps: ReadLogDeps,
): Pick<Handlers, 'getLogCheckpoint' | 'getLogTile' | 'getLogEntries' | 'getLogProof'> => ({
  getLogCheckpoint: ({ params }, call) => getLogCheckpoint(deps, call, params.tenantId),
  getLogTile: ({ params }, call) => getLogTile(deps, call, params),
  getLogEntries: ({ params }, call) => getLogEntries(deps, call, params),
  // The contract allows exactly one of the two.
  getLogProof: ({ params, query }, call) => getLogProof(deps, call, { ...params, ...query } as LogProofInput),
});

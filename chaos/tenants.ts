import type { Group } from './groups.ts';
import type { TenantPlan } from './site.ts';

/**
 * Two customers with two tenants each. One tenant seals and opens with data keys in memory. The
 * other has a data key for each message, so that each decrypt is a vault call. A third customer is
 * new to every process.
 */
export const TENANTS: readonly TenantPlan[] = [
  { id: 'neighbour', customer: 'neighbour', key: 'data' },
  { id: 'neighbour-cold', customer: 'neighbour', key: 'cold', dataKeys: { mode: 'perMessage' } },
  { id: 'troubled', customer: 'troubled', key: 'data' },
  { id: 'troubled-cold', customer: 'troubled', key: 'cold', dataKeys: { mode: 'perMessage' } },
  { id: 'newcomer', customer: 'newcomer', key: 'data' },
];

const MIX = ['message', 'message', 'message', 'batch'] as const;
export const NEIGHBOUR = 'neighbour';

export const GROUPS: readonly Group[] = [
  { name: NEIGHBOUR, tenant: 'neighbour', callers: 8, pauseMs: 30, mix: MIX },
  { name: 'neighbour, cold', tenant: 'neighbour-cold', callers: 4, pauseMs: 200, mix: ['message'] },
  { name: 'troubled', tenant: 'troubled', callers: 4, pauseMs: 30, mix: MIX },
  { name: 'troubled, cold', tenant: 'troubled-cold', callers: 12, pauseMs: 200, mix: ['message'] },
];

export const NEWCOMER: Group = { name: 'newcomer', tenant: 'newcomer', callers: 4, pauseMs: 100, mix: MIX };

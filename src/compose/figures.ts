import type { CallCounts } from '../azure/call-counts.ts';
import type { Admission } from '../http/admission/admission.ts';
import type { ProcessFigures } from '../operations/overview/get-overview.ts';
import type { Azure } from './azure.ts';
import type { Keys } from './keys.ts';

/** The parts of a process that count. */
export interface CountingParts {
  readonly startedAtMs: number;
  readonly calls: CallCounts;
  readonly azure: Pick<Azure, 'gates'>;
  readonly keys: Pick<Keys, 'dataKeys'>;
  readonly admission: Pick<Admission, 'shed'>;
}

/** Returns what this process has counted since its start; counts of 0 are absent. */
export function figuresOf({ startedAtMs, calls, azure, keys, admission }: CountingParts): ProcessFigures {
  return {
    startedAt: new Date(startedAtMs).toISOString(),
    vaultCalls: calls.vaultCalls(),
    signIns: countsOf(calls.signIns()),
    refusals: countsOf(keys.dataKeys.counts.refusals),
    rationed: countsOf(Object.entries(azure.gates.rationed)),
    shed: countsOf(Object.entries(admission.shed)),
    openBreakers: azure.gates.openHosts(),
  };
}

const countsOf = (counts: Iterable<readonly [string, number]>): { readonly name: string; readonly count: number }[] =>
  [...counts].filter(([, count]) => count > 0).map(([name, count]) => ({ name, count }));

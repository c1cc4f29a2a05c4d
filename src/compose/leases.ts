import { LeaseCounts } from '../operations/leases/lease-counts.ts';
import { recordOverdueLeases } from '../operations/leases/record-overdue-leases.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Audit } from './audit.ts';
import type { Store } from './store.ts';

/** The counts of leases, and the search for leases without a report. */
export interface Leases {
  readonly leaseCounts: LeaseCounts;
  /** Waits for a search that is under way. */
  close(): Promise<void>;
}

export interface LeasesParts {
  readonly logger: Logger;
  readonly jitter: () => number;
  readonly store: Pick<Store, 'leases'>;
  readonly audit: Pick<Audit, 'sink'>;
}

/** Any process records what is overdue; their searches are spread. */
const SEARCH_MS = 30_000;

/** Starts the search. */
export function openLeases({ logger, jitter, store: { leases }, audit }: LeasesParts): Leases {
  const leaseCounts = new LeaseCounts();
  let searching: Promise<void> | undefined;
  const search = () => {
    searching ??= recordOverdueLeases({ audit: audit.sink, leases, leaseCounts })
      .catch((error: unknown) => logger.warn({ error }, 'overdue leases were not recorded yet'))
      .finally(() => {
        searching = undefined;
      });
  };
  const timer = setInterval(search, SEARCH_MS * (1 + jitter())).unref();
  return {
    leaseCounts,
    close: async () => {
      clearInterval(timer);
      await searching;
    },
  };
}

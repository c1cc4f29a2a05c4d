/** A process's counts of leases since its start, for the metrics. */
export class LeaseCounts {
  issued = 0;
  /** Leases with a final report, and those without one in time. */
  finished = 0;
  overdue = 0;
  /** Leaves of existing messages given out, and those that no report named in time. */
  leavesOpened = 0;
  leavesOverdue = 0;
  /** Messages as reported. */
  sealed = 0;
  opened = 0;
  /** Messages that overdue leases may have sealed: an upper limit. */
  unreported = 0;
}

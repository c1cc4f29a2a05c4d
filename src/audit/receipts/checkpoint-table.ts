import type { GrownTree, Tree } from './tree.ts';

/** The state by which the home vault recognises the database: `checkpointer.ts`. */
export interface Anchor {
  /** Marks that the home vault may have; absent before the first checkpoint. */
  readonly token: string | undefined;
  readonly pending: string | undefined;
  /** Number of the origin that logs have now; a restart begins the next one. */
  readonly generation: number;
}

/** The tree of a log's first entries, which a checkpoint can cover. */
export interface TreeHead extends Tree {
  readonly tenantId: string;
}

export interface SignedHead {
  readonly tenantId: string;
  readonly size: number;
  /** The signed note. */
  readonly checkpoint: string;
}

/** Trees that have been due the longest. */
export interface DueTrees {
  readonly before: number;
  readonly limit: number;
}

export interface CheckpointTable {
  /** Returns the time at which the next checkpoint is due; undefined while all are current. */
  nextDue(): Promise<number | undefined>;
  /** Returns the anchor once this owner has the lease; undefined while another one has it. */
  lease(owner: string, leaseMs: number): Promise<Anchor | undefined>;
  /**
   * Adds entries to the trees that are due, some thousands at once. Returns whether more may remain.
   */
  grow(due: DueTrees, grow: (tree: Tree, leaves: Buffer) => GrownTree): Promise<boolean>;
  /**
   * Stores the next mark of the home vault, and returns the trees that are due. Undefined when the
   * lease was lost.
   */
  claim(owner: string, pending: string, due: DueTrees): Promise<readonly TreeHead[] | undefined>;
  /** Makes the pending mark the current one. Returns false when the lease was lost. */
  confirm(owner: string, pending: string): Promise<boolean>;
  /**
   * Publishes checkpoints while the mark is current, and renews the lease. Returns false, and
   * publishes nothing, when another owner or an older copy of the database has taken its place.
   */
  publish(
    owner: string,
    token: string,
    heads: readonly SignedHead[],
    next: { readonly dueAt: number; readonly leaseMs: number },
  ): Promise<boolean>;
  anchor(): Promise<Anchor>;
  /** Begins the next origin: all logs get a checkpoint under it. */
  restart(anchor: { readonly token: string; readonly generation: number }, now: number): Promise<void>;
}

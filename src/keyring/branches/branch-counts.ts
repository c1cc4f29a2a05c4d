import type { BranchEvent } from '../keyring-store.ts';

/**
 * The reasons that no branch key encrypts: this database is not the one of the deployment; it is
 * unreachable; the branch key has not settled; it has no copy; or none under the key's newest
 * version is usable.
 */
export type NotReady = 'unbound' | 'unreachable' | 'settling' | 'uncopied' | 'none';

/** The calls that use index keys. */
type IndexValueUse = 'tokens' | 'deterministic-encrypt' | 'deterministic-decrypt';

/** The reasons that no key of an index is used. */
export type IndexRefusal = 'index-not-ready' | 'index-key-missing' | 'index-key-altered';

/** A process's counts of branch and index keys since its start. */
export class BranchCounts {
  /** Messages under a compact key that no branch key encrypted. */
  readonly notReady: Record<NotReady, number> = { unbound: 0, unreachable: 0, settling: 0, uncopied: 0, none: 0 };
  readonly events: Record<BranchEvent, number> = {
    'branch-created': 0,
    'branch-rewrapped': 0,
    'branch-put-back': 0,
    'branch-destroyed': 0,
    'index-created': 0,
    'index-put-back': 0,
    'index-retired': 0,
  };
  /** Values of look-ups and deterministic values. */
  readonly indexValues: Record<IndexValueUse, number> = {
    tokens: 0,
    'deterministic-encrypt': 0,
    'deterministic-decrypt': 0,
  };
  /** Calls without a usable key of their index. */
  readonly indexRefusals: Record<IndexRefusal, number> = {
    'index-not-ready': 0,
    'index-key-missing': 0,
    'index-key-altered': 0,
  };
  /** Rows that contradicted their JWE, each time that one was read. */
  disagreements = 0;
}

import type { RegisteredKey } from '../../tenants/record.ts';
import type { StoredKey } from '../keyring-store.ts';
import type { BranchSource } from './branch-deps.ts';
import type { Conditions, Reading } from './reading.ts';

/**
 * Moves the branches that seal now or next, after a rotation of their key: they have settled, so
 * they seal again at once. A round moves the others.
 */
export class BranchRotation {
  readonly #branches: BranchSource;
  readonly #key: RegisteredKey;
  /** Ids of rows that could not be moved: a new branch takes their place. */
  readonly #unmovable = new Set<string>();
  #moving: Promise<boolean> | undefined;

  constructor(branches: BranchSource, key: RegisteredKey) {
    this.#branches = branches;
    this.#key = key;
  }

  /** Returns the rows that are under another version and may be moved. */
  outdated({ keys, databaseId }: Reading, { newestKid, boundTo }: Pick<Conditions, 'newestKid' | 'boundTo'>) {
    if (newestKid === undefined || boundTo() !== databaseId) return [];
    return keys.filter(({ id, jwe, kid }) => jwe !== undefined && kid !== newestKid && !this.#unmovable.has(id));
  }

  /** Moves rows; returns whether any of them may have changed. */
  follow(rows: readonly StoredKey[]): Promise<boolean> {
    this.#moving ??= this.#move(rows).finally(() => {
      this.#moving = undefined;
    });
    return this.#moving;
  }

  /** Notes that the rows were read again, so each may be tried again. */
  readAgain(): void {
    this.#unmovable.clear();
  }

  async #move(rows: readonly StoredKey[]): Promise<boolean> {
    for (const row of rows) {
      try {
        if (await this.#branches.move(row, this.#key)) continue;
      } catch (error) {
        this.#branches.deps.onBackgroundFailure(error); // such as a full disk of the copies: messages fall back
      }
      this.#unmovable.add(row.id);
    }
    return rows.length > 0;
  }
}

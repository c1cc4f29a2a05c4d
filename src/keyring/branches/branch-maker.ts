import type { RegisteredKey } from '../../tenants/record.ts';
import type { NewStoredKey } from '../keyring-store.ts';
import { sealStoredKey, storedKeyBytes } from '../stored-key-jwe.ts';
import { type BranchSource, vaultKeyOf } from './branch-deps.ts';
import { type EpochTimes, epochLabel } from './epoch.ts';
import { type Reading, uncopiedRows } from './reading.ts';

const BRANCH_ID_BYTES = 8;
const BRANCH_KEY_BYTES = storedKeyBytes('branch');

/** Makes the branch keys of one registered key, and their copies. */
export class BranchMaker {
  readonly #branches: BranchSource;
  readonly #key: RegisteredKey;
  readonly #onChanged: () => void;
  #making: Promise<void> | undefined;
  /** Set once the copies turned out to be made by exports, or by nobody. */
  #isCopiedElsewhere: boolean = false;

  /** `onChanged` is called when rows in memory are older than a change of this process's own. */
  constructor(branches: BranchSource, key: RegisteredKey, onChanged: () => void) {
    this.#branches = branches;
    this.#key = key;
    this.#onChanged = onChanged;
  }

  /** Makes an epoch's branch key; concurrent calls share one. */
  make(epoch: EpochTimes): Promise<void> {
    this.#making ??= this.#make(epoch).finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  get isMaking(): boolean {
    return this.#making !== undefined;
  }

  /**
   * Seals a new branch key under the current data key, which needs no vault call, stores it and
   * copies it.
   */
  async #make(epoch: EpochTimes): Promise<void> {
    const { store, draw, onEvent } = this.#branches.deps;
    const { tenant, dataKeys } = this.#branches;
    const use = await dataKeys.forSealing(this.#key, BRANCH_KEY_BYTES);
    const { kid, kek } = use.key.dataKey;
    const name = { kind: 'branch', id: draw(BRANCH_ID_BYTES).toString('base64url'), label: epochLabel(epoch) } as const;
    const row: NewStoredKey = {
      ...name,
      tenantId: tenant.id,
      vaultKey: vaultKeyOf(kek),
      jwe: sealStoredKey(use, draw(BRANCH_KEY_BYTES), name),
      kid,
    };
    const isMade = await store.create(row);
    this.#onChanged();
    if (!isMade) return; // another process was quicker: its branch is read next
    await this.copy(row);
    await onEvent('branch-created', row);
  }

  /** Copies a row and notes that it is copied. */
  async copy(row: NewStoredKey): Promise<void> {
    const { store, copies } = this.#branches.deps;
    if (!(await copies.write(row))) {
      this.#isCopiedElsewhere = true;
      return;
    }
    await store.markCopied([row]);
    this.#onChanged(); // a concurrent reading does not include the copy
  }

  /**
   * Returns a row that has no copy yet, because writing it failed or the process that made it
   * ended.
   */
  uncopied(reading: Reading, now: number): NewStoredKey | undefined {
    if (this.#isCopiedElsewhere) return undefined;
    const [row] = uncopiedRows(reading, now, this.#branches.deps.settings.epochMs);
    return row?.jwe === undefined ? undefined : { ...row, jwe: row.jwe };
  }
}

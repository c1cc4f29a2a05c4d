interface Numbered {
  /** Number of the entry in the log. */
  readonly entry: number;
  /** Number of the record in its chain, and among the tenant's records there. */
  readonly sequence: number;
  readonly tenantSequence: number;
}

interface Lost {
  readonly first: number;
  readonly last: number;
}

/** The members of an audit record, or of an entry of type `lost`, that count. */
interface EntryMembers extends Partial<Lost & Omit<Numbered, 'entry'>> {
  readonly type: string;
  readonly chain: string;
}

/** Collects the records of one tenant's log, to check that each chain has all of them. */
export class RecordNumbers {
  /** Number of entries of type `lost`. */
  lost = 0;
  readonly #records = new Map<string, Numbered[]>();
  readonly #lost = new Map<string, Lost[]>();

  /** Adds an entry whose hash is right. */
  add(line: string, entry: number): void {
    const { type, chain, sequence = 0, tenantSequence = 0, first = 0, last = 0 } = JSON.parse(line) as EntryMembers;
    if (type === 'lost') {
      this.lost += 1;
      this.#lost.getOrInsertComputed(chain, () => []).push({ first, last });
    } else {
      const numbered = { entry, sequence, tenantSequence };
      this.#records.getOrInsertComputed(chain, () => []).push(numbered);
    }
  }

  /**
   * Returns records that stand twice, and those before which the tenant's records are missing.
   * Numbers begin at 0, and may do so again in a chain with very many tenants.
   * @param isBegunLate whether earlier records are past their retention
   */
  *problems(
    isBegunLate: boolean,
  ): Generator<{ readonly problem: 'numbers-missing' | 'number-twice'; readonly entry: number }> {
    for (const [chain, records] of this.#records) {
      const gaps = this.#lost.get(chain) ?? [];
      let before = { sequence: -1, tenantSequence: -1 };
      for (const record of records.sort((a, b) => a.sequence - b.sequence)) {
        const { entry, sequence, tenantSequence } = record;
        const isNext = tenantSequence === before.tenantSequence + 1 || tenantSequence === 0;
        const isExplained =
          (isBegunLate && before.sequence < 0) ||
          gaps.some(({ first, last }) => before.sequence < first && last < sequence);
        if (sequence === before.sequence) yield { problem: 'number-twice', entry };
        else if (!isNext && !isExplained) yield { problem: 'numbers-missing', entry };
        before = record;
      }
    }
  }
}

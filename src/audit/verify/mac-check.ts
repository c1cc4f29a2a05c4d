import { encodeRecord } from '../chain/chain.ts';
import { type LineKey, withMac } from '../chain/line-key.ts';
import type { ParsedRecord } from '../chain/parse-record.ts';

/** The keys that check MACs, and the records that may lack one. */
export interface MacRules {
  /** Versions of the audit key, in any order. */
  readonly keys: readonly LineKey[];
  /**
   * Until this time, milliseconds since 1970, chains without MACs count as those of an older
   * release.
   */
  readonly unkeyedBefore?: number | undefined;
}

type MacProblem = 'wrong-mac' | 'unknown-key' | 'no-mac' | 'not-canonical';

/**
 * Commands write their chain without the audit key, because they run on machines that cannot reach
 * the home vault.
 */
const COMMAND_LINE = 'cli:';

/**
 * Checks the MACs of one chain. Either all of its lines have one or none has. Without rules the
 * keys are unknown: then only their presence and the canonical form are checked.
 */
export class MacCheck {
  readonly #rules: MacRules | undefined;
  #isKeyed: boolean | undefined;
  #key: LineKey | undefined;

  constructor(rules: MacRules | undefined) {
    this.#rules = rules;
  }

  /**
   * Returns whether the record may excuse records that are missing elsewhere: anyone could have
   * written one without a MAC.
   */
  isTrusted({ at }: ParsedRecord): boolean {
    return this.#rules === undefined || this.#isKeyed === true || this.#isOld(at);
  }

  problem(record: ParsedRecord, line: string): MacProblem | undefined {
    const bare = encodeRecord(record, record, record.tenantSequence);
    if ((record.mac === undefined ? bare : withMac(bare, record.mac)) !== line) return 'not-canonical';
    this.#isKeyed ??= record.mac !== undefined;
    if (record.type === 'open' && (record.macKey !== undefined) !== this.#isKeyed) return 'wrong-mac';
    if (this.#isKeyed !== (record.mac !== undefined)) return this.#isKeyed ? 'no-mac' : 'wrong-mac';
    if (this.#rules === undefined) return;
    return record.mac === undefined ? this.#unkeyedProblem(record) : this.#macProblem(record, bare, this.#rules.keys);
  }

  #unkeyedProblem({ type, at, principal }: ParsedRecord): MacProblem | undefined {
    if (this.#isOld(at) || type !== 'event' || principal?.startsWith(COMMAND_LINE)) return;
    return 'no-mac';
  }

  #isOld(at: string): boolean {
    return Date.parse(at) < (this.#rules?.unkeyedBefore ?? Number.NEGATIVE_INFINITY);
  }

  /**
   * Returns the problem with a line's MAC. The `open` record names the key. In a chain whose
   * beginning was removed, the first remaining line shows the key.
   */
  #macProblem({ macKey, mac }: ParsedRecord, bare: string, keys: readonly LineKey[]): MacProblem | undefined {
    if (macKey !== undefined) {
      this.#key = keys.find(({ id }) => id === macKey);
      if (this.#key === undefined) return 'unknown-key';
    }
    this.#key ??= keys.find((key) => key.mac(bare) === mac);
    return this.#key?.mac(bare) === mac ? undefined : 'wrong-mac';
  }
}

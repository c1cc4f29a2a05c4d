import { encodeRecord } from '../chain/chain.ts';
import { type LineKey, withMac } from '../chain/line-key.ts';
import type { ParsedRecord } from '../chain/parse-record.ts';

/** With which keys MACs are checked, and which records may be without one. */
export interface MacRules {
  /** Versions of the audit key, in any order. */
  readonly keys: readonly LineKey[];
  /** Chains without MACs are taken for those of an older release up to this time, milliseconds since 1970. */
  readonly unkeyedBefore?: number | undefined;
}

type MacProblem = 'wrong-mac' | 'unknown-key' | 'no-mac' | 'not-canonical';

/** Commands write their chain without the audit key, for they run where the home vault can't be reached. */
const COMMAND_LINE = 'cli:';

/**
 * Checks the MACs of one chain. All of its lines have one or none has. Without rules the keys are unknown: then only their presence and
 * the canonical form are checked.
 */
export class MacCheck {
  readonly #rules: MacRules | undefined;
  #isKeyed: boolean | undefined;
  #key: LineKey | undefined;

  constructor(rules: MacRules | undefined) {
    this.#rules = rules;
  }

  /** Whether the record may excuse what is missing elsewhere: one without a MAC could be anybody's. */
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

  /** The `open` record names the key; a chain whose beginning was removed shows it by the first line that it made. */
  #macProblem({ macKey, mac }: ParsedRecord, bare: string, keys: readonly LineKey[]): MacProblem | undefined {
    if (macKey !== undefined) {
      this.#key = keys.find(({ id }) => id === macKey);
      if (this.#key === undefined) return 'unknown-key';
    }
    this.#key ??= keys.find((key) => key.mac(bare) === mac);
    return this.#key?.mac(bare) === mac ? undefined : 'wrong-mac';
  }
}

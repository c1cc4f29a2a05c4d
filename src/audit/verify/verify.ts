import { defined } from '../../lib/defined.ts';
import { hashLine } from '../chain/chain.ts';
import { type ParsedRecord, parseRecord } from '../chain/parse-record.ts';
import { TenantSequences } from '../chain/tenant-sequences.ts';
import { MacCheck, type MacRules } from './mac-check.ts';

/** The possible problems with a line, and their messages. */
export const lineProblems = {
  'no-open': 'the chain does not begin with its open record',
  'not-json': 'the line is not JSON',
  'not-a-record': 'the line is JSON, but not an audit record',
  'not-canonical': 'the line is not written the way this service writes it',
  'other-chain': 'the record belongs to another chain',
  'wrong-sequence': 'the sequence number is wrong: a record was removed, added or moved',
  'wrong-previous': 'the record does not hold the hash of the line before it',
  changed: 'the record was changed: the next one holds the hash of another line',
  'wrong-mac': 'the MAC is wrong: somebody without the audit key wrote the line',
  'no-mac': 'the line has no MAC: somebody without the audit key wrote it, or an older release',
  'unknown-key': 'the MACs are made with another key than the ones given',
  'wrong-tenant-sequence': "the tenant's sequence number is wrong",
  'after-close': 'the record stands after the close record',
  torn: 'the line is torn: the process was killed while writing, is writing now, or the file was cut',
  'wrong-file-name': 'the file name does not belong to this chain',
  'start-missing': 'the records before it are missing, and no record says that the service removed them',
} as const;

type LineProblem = keyof typeof lineProblems;

export interface BadLine {
  /** From 1. */
  readonly line: number;
  /** The record's own number, if it has one. */
  readonly sequence?: number;
  readonly problem: LineProblem;
}

export interface VerifiedChain {
  /** Absent when the first line is no open record. */
  readonly chain?: string;
  /** Number of valid records: all of them, or those before the first bad one. */
  readonly records: number;
  readonly closed: boolean;
  readonly firstBad?: BadLine;
  /**
   * The first record, if it is not the chain's first, and the hash that it gives for the one
   * before.
   */
  readonly begins?: { readonly sequence: number; readonly previous: string };
}

export interface VerifyChainOptions {
  /** Called with the hash of each line, also after the first bad one. */
  readonly onHash?: (hash: string) => void;
  /**
   * Called with each valid record. `isTrusted` is false for a record that lacks a MAC although keys
   * are known.
   */
  readonly onRecord?: (record: ParsedRecord, isTrusted: boolean) => void;
  /** Without them, MACs are not checked. */
  readonly macs?: MacRules | undefined;
  /**
   * The first records may be missing. Then the tenants' own numbers are not checked, because their
   * beginnings are missing too.
   */
  readonly mayBeginLate?: boolean;
}

/**
 * Checks a chain line by line, in constant memory. It cannot detect whole records cut off the end
 * of a chain without a close record, unless a later chain continues it from there. Nor can it
 * detect a chain rewritten from some record to its end. Both need a hash that is kept elsewhere.
 * @param lines each with its newline; one without is torn
 */
export async function verifyChain(
  lines: AsyncIterable<string>,
  options: VerifyChainOptions = {},
): Promise<VerifiedChain> {
  const check = new ChainCheck(options);
  for await (const line of lines) {
    const hash = check.add(line);
    options.onHash?.(hash);
  }
  return check.end();
}

class ChainCheck {
  readonly #tenants = new TenantSequences();
  #chain: string | undefined;
  #lines = 0;
  #records = 0;
  #previous: string | undefined;
  #closed: boolean = false;
  #firstBad: BadLine | undefined;
  #begins: VerifiedChain['begins'];
  readonly #options: VerifyChainOptions;
  readonly #macs: MacCheck;

  constructor(options: VerifyChainOptions) {
    this.#options = options;
    this.#macs = new MacCheck(options.macs);
  }

  /** Returns the line's hash. */
  add(text: string): string {
    this.#lines += 1;
    const line = text.endsWith('\n') ? text.slice(0, -1) : undefined;
    const hash = hashLine(line ?? text);
    if (this.#firstBad === undefined) this.#check(line);
    else if (this.#firstBad.problem === 'wrong-previous') this.#blame(line);
    this.#previous = hash;
    return hash;
  }

  end(): VerifiedChain {
    const firstBad: BadLine | undefined = this.#lines === 0 ? { line: 1, problem: 'no-open' } : this.#firstBad;
    return defined({
      chain: this.#chain,
      records: this.#records,
      closed: this.#closed,
      firstBad,
      begins: this.#begins,
    });
  }

  #check(line: string | undefined): void {
    const record = line === undefined ? 'torn' : parseRecord(line);
    if (typeof record === 'string') {
      this.#firstBad = { line: this.#lines, problem: record };
      return;
    }
    const problem = this.#placeProblem(record) ?? this.#contentProblem(record, line ?? '');
    if (problem !== undefined) {
      this.#firstBad = { line: this.#lines, sequence: record.sequence, problem };
      return;
    }
    this.#records += 1;
    this.#chain = record.chain;
    this.#closed = record.type === 'close';
    this.#options.onRecord?.(record, this.#macs.isTrusted(record));
  }

  #placeProblem(record: ParsedRecord): LineProblem | undefined {
    if (this.#lines === 1) return this.#firstProblem(record);
    if (record.chain !== this.#chain) return 'other-chain';
    if (this.#closed) return 'after-close';
    if (record.sequence !== this.#sequenceOf(this.#lines)) return 'wrong-sequence';
    return record.previous === this.#previous ? undefined : 'wrong-previous';
  }

  #firstProblem({ type, sequence, previous }: ParsedRecord): LineProblem | undefined {
    if (type === 'open') return;
    if (this.#options.mayBeginLate !== true || previous === undefined) return 'no-open';
    this.#begins = { sequence, previous };
  }

  #sequenceOf(line: number): number {
    return (this.#begins?.sequence ?? 0) + line - 1;
  }

  #contentProblem(record: ParsedRecord, line: string): LineProblem | undefined {
    const problem = this.#macs.problem(record, line);
    if (problem !== undefined) return problem;
    if (this.#begins !== undefined) return;
    const tenantSequence = this.#tenants.next(record.tenantId);
    this.#tenants.keep(1);
    return record.tenantSequence === tenantSequence ? undefined : 'wrong-tenant-sequence';
  }

  /**
   * Decides which of two lines with inconsistent hashes was changed: the first, if the line after
   * both still confirms the second.
   */
  #blame(line: string | undefined): void {
    const firstBad = this.#firstBad;
    if (line === undefined || firstBad === undefined || this.#lines !== firstBad.line + 1) return;
    const record = parseRecord(line);
    if (typeof record === 'string' || record.previous !== this.#previous) return;
    this.#records -= 1;
    this.#firstBad = { line: firstBad.line - 1, sequence: this.#sequenceOf(firstBad.line - 1), problem: 'changed' };
  }
}

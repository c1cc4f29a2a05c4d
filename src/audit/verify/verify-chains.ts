import { defined } from '../../lib/defined.ts';
import type { Removal } from '../chain/chain.ts';
import { type ParsedRecord, parseRecord } from '../chain/parse-record.ts';
import type { MacRules } from './mac-check.ts';
import { type BadLine, type VerifiedChain, type VerifyChainOptions, verifyChain } from './verify.ts';

/** The possible problems between a chain and the one it continues. */
export const linkProblems = {
  'chain-missing': 'the chain that it continues is missing, and no record shows that the service removed it',
  'record-missing': 'the record it continues is not in that chain: the chain was cut or changed',
} as const;

/** A chain to check; its lines come from a file or from the database. */
export interface ChainSource {
  /** In order; at least one. */
  readonly parts: readonly ChainPart[];
}

/** A file, or all of a chain that a database has. */
export interface ChainPart {
  readonly name: string;
  /** Returns whether its name belongs to a part that begins with this record. */
  fits(first: ParsedRecord): boolean;
  /** Each with its newline. */
  lines(): AsyncIterable<string>;
}

interface BadLink {
  /** The chain that is continued. */
  readonly chain: string;
  readonly problem: keyof typeof linkProblems;
}

/** A finding about one chain. */
export interface VerifiedSource extends Omit<VerifiedChain, 'firstBad'> {
  /** The first part of the chain. */
  readonly file: string;
  /** The number of parts; absent for one. */
  readonly files?: number;
  /** `line` counts within `file`, which is absent for the first part. */
  readonly firstBad?: BadLine & { readonly file?: string };
  readonly badLink?: BadLink;
  /** The reason that the chain begins late. */
  readonly removed?: Removal['cause'];
}

/**
 * Checks every chain by itself, and that each continues a record which still exists. Checks also
 * that only the service removed beginnings.
 * @param macs the keys that check MACs; without them MACs are not checked
 * @param causes the causes of removals that are possible here: shipped records are removed from the
 * files, but not from the database
 */
export async function verifyChains(
  sources: readonly ChainSource[],
  causes: readonly Removal['cause'][],
  macs?: MacRules,
): Promise<VerifiedSource[]> {
  const opens = await Promise.all(sources.map(findOpen));
  // Chains of processes that run at the same time continue each other midway, so any record may be
  // the continued one.
  const wanted = new Set(opens.map((open) => open?.continues));
  const found = new Map<string, Set<string>>();
  const removals = new Map<string, Removal[]>();
  const verified: VerifiedSource[] = [];
  for (const source of sources) {
    const hashes = new Set<string>();
    const result = await verifySource(source, {
      macs,
      onHash: (hash) => {
        if (wanted.has(hash)) hashes.add(hash);
      },
      onRecord: ({ removed }, isTrusted) => {
        if (removed && isTrusted && causes.includes(removed.cause))
          removals.getOrInsertComputed(removed.chain, () => []).push(removed);
      },
    });
    found.set(result.chain ?? result.file, hashes);
    verified.push(result);
  }
  return verified.map((result, index) => withLink(withBeginning(result, removals), opens[index], found, removals));
}

/** Checks one chain without the others: whether it may begin late stays open. */
export async function verifySource({ parts }: ChainSource, options: VerifyChainOptions = {}): Promise<VerifiedSource> {
  const places: { readonly name: string; readonly before: number }[] = [];
  let misnamed: BadLine | undefined;
  async function* lines() {
    let count = 0;
    for (const part of parts) {
      const before = count;
      places.push({ name: part.name, before });
      for await (const line of part.lines()) {
        count += 1;
        if (count === before + 1) misnamed ??= nameProblem(part, line, count);
        yield line;
      }
    }
  }
  const chain = await verifyChain(lines(), { ...options, mayBeginLate: true });
  const firstBad = misnamed && misnamed.line <= (chain.firstBad?.line ?? misnamed.line) ? misnamed : chain.firstBad;
  const file = places[0]?.name ?? '';
  return defined({
    file,
    files: parts.length > 1 ? parts.length : undefined,
    ...chain,
    records: firstBad ? Math.min(chain.records, firstBad.line - 1) : chain.records,
    firstBad: firstBad && placed(firstBad, places),
  });
}

/**
 * Returns a problem with a chain's name. A chain has one name, so this finds a copy of it, or a
 * chain in the place of another.
 */
function nameProblem(part: ChainPart, text: string, line: number): BadLine | undefined {
  const record = parseRecord(text);
  if (typeof record === 'string' || part.fits(record)) return;
  return { line, sequence: record.sequence, problem: 'wrong-file-name' };
}

function placed(
  bad: BadLine,
  places: readonly { readonly name: string; readonly before: number }[],
): NonNullable<VerifiedSource['firstBad']> {
  const place = places.findLast(({ before }) => before < bad.line);
  if (place === undefined || place === places[0]) return bad;
  return { ...bad, line: bad.line - place.before, file: place.name };
}

async function findOpen({ parts: [first] }: ChainSource): Promise<ParsedRecord | undefined> {
  if (!first) return;
  for await (const line of first.lines()) {
    const record = parseRecord(line);
    return typeof record === 'string' || record.type !== 'open' ? undefined : record;
  }
}

function withBeginning(result: VerifiedSource, removals: ReadonlyMap<string, readonly Removal[]>): VerifiedSource {
  const { begins, chain = '' } = result;
  // A chain with a later bad record is bad, and the record of the removal may come after that.
  if (begins === undefined || result.firstBad !== undefined) return result;
  const removal = removals.get(chain)?.find((one) => covers(one, begins.sequence - 1, begins.previous));
  if (removal) return { ...result, removed: removal.cause };
  return { ...result, records: 0, firstBad: { line: 1, sequence: begins.sequence, problem: 'start-missing' } };
}

function withLink(
  result: VerifiedSource,
  open: ParsedRecord | undefined,
  found: ReadonlyMap<string, ReadonlySet<string>>,
  removals: ReadonlyMap<string, readonly Removal[]>,
): VerifiedSource {
  const { continues, continuesChain: chain, continuesSequence: sequence = 0 } = open ?? {};
  if (continues === undefined || chain === undefined) return result;
  const hashes = found.get(chain);
  if (hashes?.has(continues)) return result;
  if (removals.get(chain)?.some((one) => covers(one, sequence, continues))) return result;
  return { ...result, badLink: { chain, problem: hashes === undefined ? 'chain-missing' : 'record-missing' } };
}

/**
 * Returns whether a removal covers a beginning. It may reach further than the missing records,
 * since it is recorded before the files are removed one after the other.
 */
const covers = ({ through, hash }: Removal, sequence: number, expected: string): boolean =>
  through === sequence ? hash === expected : through > sequence;

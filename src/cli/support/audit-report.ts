import { type DifferentEnd, endProblems } from '../../audit/verify/compare-ends.ts';
import { lineProblems } from '../../audit/verify/verify.ts';
import { linkProblems, type VerifiedSource } from '../../audit/verify/verify-chains.ts';
import type { CommandIo } from './command.ts';

export interface Findings {
  /** The name of the checked source in the report. */
  readonly path: string;
  readonly chains: readonly VerifiedSource[];
  /** Chains whose ends in the files and in the database differ. */
  readonly ends: readonly DifferentEnd[];
}

/** Prints the findings of `audit verify`, and returns whether all chains are valid. */
export function reportFindings(
  { path, chains, ends }: Findings,
  json: boolean,
  { stdout }: Pick<CommandIo, 'stdout'>,
): boolean {
  const bad = chains.filter((chain) => !holds(chain)).length;
  const ok = chains.length > 0 && bad === 0 && ends.length === 0;
  const records = chains.reduce((sum, chain) => sum + chain.records, 0);
  if (json) {
    const listed = chains.map((chain) => ({ ...chain, ok: holds(chain) }));
    stdout(`${JSON.stringify({ ok, path, records, chains: listed, ...(ends.length > 0 && { ends }) })}\n`);
    return ok;
  }
  for (const chain of chains) for (const line of describe(chain)) stdout(`${line}\n`);
  for (const end of ends) stdout(`${describeEnd(end)}\n`);
  const count = `${amount(chains.length, 'chain')}, ${amount(records, 'record')}`;
  const differing = ends.length === 0 ? '' : `, ${amount(ends.length, 'end')} differ from the database`;
  const result = bad === 0 ? (ends.length === 0 ? 'all intact' : 'all intact in themselves') : `${bad} bad`;
  stdout(chains.length === 0 ? `${path}: no audit chain found\n` : `${count}: ${result}${differing}\n`);
  return ok;
}

const holds = ({ firstBad, badLink }: VerifiedSource): boolean => firstBad === undefined && badLink === undefined;

export const amount = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function describe(chain: VerifiedSource): string[] {
  const { file, firstBad, badLink, records, begins } = chain;
  const lines: string[] = [];
  if (firstBad !== undefined) {
    const place = `line ${firstBad.line}${firstBad.sequence === undefined ? '' : `, sequence ${firstBad.sequence}`}`;
    const problem = lineProblems[firstBad.problem];
    lines.push(`${firstBad.file ?? file}: BAD at ${place}: ${problem} (records before it: ${records})`);
  }
  if (badLink !== undefined)
    lines.push(`${file}: BAD link to chain ${badLink.chain}: ${linkProblems[badLink.problem]}`);
  if (lines.length > 0) return lines;
  const facts = [
    amount(records, 'record'),
    ...(chain.files === undefined ? [] : [`${chain.files} files`]),
    ...(begins === undefined ? [] : [`from sequence ${begins.sequence} on${beginning(chain.removed)}`]),
    chain.closed ? 'closed' : 'no close record: process killed or still running',
  ];
  return [`${file}: ok, ${facts.join(', ')}`];
}

const describeEnd = ({ file, inFiles, inDatabase, problem }: DifferentEnd): string =>
  `${file}: BAD end at sequence ${inFiles}, in the database at ${inDatabase}: ${endProblems[problem]}`;

const beginning = (removed: VerifiedSource['removed']): string =>
  removed === undefined
    ? ''
    : removed === 'shipped'
      ? ' (the earlier ones are in the database)'
      : ' (the retention has removed the earlier ones)';

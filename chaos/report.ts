import { writeResults } from '../test/support/bench-report.ts';
import { countByCode, failuresOf, latencyOf } from './load.ts';
import { inWords, markdownTable, whereAndWhen, writeMarkdown } from './markdown.ts';
import { type Neighbours, neighbourAnswers } from './neighbour-verdict.ts';
import type { Scenario } from './scenario.ts';
import type { Trial } from './trial.ts';

interface ChaosRun {
  readonly trials: readonly Trial[];
  readonly skipped: readonly { readonly scenario: Scenario; readonly obstacle: string }[];
  readonly neighbours: Neighbours;
  readonly seconds: number;
}

/** Writes docs/reports/chaos.md, and the figures as JSON next to those of the benchmarks. */
export async function writeReport({ trials, skipped, neighbours, seconds }: ChaosRun): Promise<void> {
  const figures = trials.map(figuresOf);
  const broken = figures.filter(({ violations }) => violations.length > 0);
  await writeResults('chaos', [{ ...neighbours }, ...figures]);
  await writeMarkdown('chaos', [
    '# Chaos',
    whereAndWhen('npm run chaos', seconds),
    `Two customers with two tenants each, one warm (data keys in memory) and one cold (each decrypt asks the vault), 28 callers who encrypt, decrypt and
compare all the time, in batches too; service, emulated Azure and callers in processes of their own. Per scenario: a fresh service, 4 s without trouble,
some 4.5 s with it, until all is well again, and 3 s more. The trouble is that of the customer \`troubled\`, or everybody's. Revocation bound 16 s, deadline
of a vault call 2 s.`,
    `Held in every scenario: no wrong plaintext; a sample of all that was ever sealed opens at the end; no failure before the trouble and none once it is
over; while it lasts the codes of this table and no other, with \`Retry-After\`, within 8 s; who is not named sees no failure at all; every answer's request id is in
the audit log and \`audit verify\` holds.`,
    markdownTable(
      [
        'scenario',
        'answers',
        'failed in it',
        'well again after',
        'slowest failure',
        'neighbour p50 / p99: before',
        'in it',
        'after',
        '',
      ],
      figures.map((row) => [
        `**${row.name}**: ${row.trouble}`,
        row.answers.toLocaleString('en'),
        row.failed.map(({ group, codes }) => `${group}: ${inWords(codes)}`).join('; ') || 'none',
        `${row.recoverySeconds.toFixed(1)} s`,
        row.slowestFailureMs === undefined ? '' : `${row.slowestFailureMs.toFixed(0)} ms`,
        ...[row.before, row.during, row.after].map(({ p50, p99 }) => `${p50.toFixed(1)} / ${p99.toFixed(1)} ms`),
        row.violations.length === 0 ? 'ok' : 'BROKEN',
      ]),
    ),
    `${neighbours.text}.`,
    ...skipped.map(({ scenario, obstacle }) => `Skipped: ${scenario.name}, since ${obstacle}.`),
    broken.length === 0
      ? 'Verdict: all held.'
      : `Verdict: broken.\n\n${broken.flatMap(({ name, violations }) => violations.map((line) => `- ${name}: ${line}`)).join('\n')}`,
  ]);
}

function figuresOf(trial: Trial) {
  const { scenario, answers, phases, recoverySeconds, violations } = trial;
  const { before, begun, ended, recovered, after } = phases;
  const failures = failuresOf(answers);
  const window = (from: number, to: number) => {
    const own = neighbourAnswers(trial, from, to);
    return { p50: latencyOf(own, 0.5), p99: latencyOf(own, 0.99) };
  };
  return {
    name: scenario.name,
    trouble: scenario.trouble,
    answers: answers.length,
    failed: [...Map.groupBy(failures, ({ group }) => group)].map(([group, own]) => ({
      group,
      codes: countByCode(own),
    })),
    recoverySeconds,
    slowestFailureMs: failures.length === 0 ? undefined : failures.reduce((most, { ms }) => Math.max(most, ms), 0),
    before: window(before, begun),
    during: window(begun, ended),
    after: window(recovered, after),
    violations,
  };
}

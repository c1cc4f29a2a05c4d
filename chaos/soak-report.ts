import { writeResults } from '../test/support/bench-report.ts';
import type { Answer } from './caller.ts';
import { countByCode } from './load.ts';
import { inWords, markdownTable, whereAndWhen, writeMarkdown } from './markdown.ts';
import type { Trend, Window } from './soak-windows.ts';

interface SoakRun {
  readonly minutes: number;
  readonly answers: readonly Answer[];
  readonly changes: Readonly<Record<string, number>>;
  readonly windows: readonly Window[];
  readonly trends: readonly Trend[];
  readonly problems: readonly string[];
}

/** Rows of the table over time; more would add nothing. */
const ROWS = 15;

/** Writes docs/reports/soak.md, and all windows as JSON next to the figures of the benchmarks. */
export async function writeSoakReport(run: SoakRun): Promise<void> {
  const { minutes, answers, changes, windows, trends, problems } = run;
  await writeResults('soak', [{ changes, trends, problems }, ...windows]);
  const stayers = answers.filter(({ group }) => group !== 'leaver');
  const step = Math.ceil(windows.length / ROWS);
  await writeMarkdown('soak', [
    '# Soak',
    whereAndWhen(`npm run soak -- ${minutes}`, minutes * 60),
    `Five tenants, 25 callers: messages, batches, data keys, rewraps, streams of 200 kB; one tenant with a data key for each message, so that each decrypt asks the
vault. Tenants in SQLite, rounds each minute, revocation bound 20 s. Service, emulated Azure and callers in processes of their own.`,
    `Meanwhile: ${Object.entries(changes)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ')}.`,
    markdownTable(
      ['callers', 'answers', 'by code'],
      [
        ['of the four tenants that stay', stayers.length.toLocaleString('en'), inWords(countByCode(stayers))],
        [
          'of the one whose access comes and goes',
          (answers.length - stayers.length).toLocaleString('en'),
          inWords(countByCode(answers.filter(({ group }) => group === 'leaver'))),
        ],
      ],
    ),
    `Trends over the windows of 10 s, without the first fifth and at least the first two minutes: median of the first third, of the last, and slope (least
squares). Requests and latency are of the tenants that stay; CPU is all of the service's, divided by their requests.`,
    markdownTable(
      ['', 'first third', 'last third', 'slope a minute', 'bound', ''],
      trends.map(({ name, first, last, slopePerMinute, bound, holds }) => [
        name,
        first.toFixed(1),
        last.toFixed(1),
        slopePerMinute.toFixed(2),
        bound,
        holds ? 'ok' : 'BROKEN',
      ]),
    ),
    markdownTable(
      [
        'minute',
        'requests in 10 s',
        'p50 ms',
        'p99 ms',
        'CPU µs a request',
        'resident MiB',
        'heap MiB',
        'outside MiB',
        'handles',
        'event loop p99 ms',
      ],
      windows
        .filter((_, at) => at % step === step - 1)
        .map((window) => [
          window.minute.toFixed(1),
          String(window.requests),
          window.p50.toFixed(1),
          window.p99.toFixed(1),
          window.cpuMicroseconds.toFixed(0),
          window.residentMiB.toFixed(0),
          window.heapMiB.toFixed(0),
          window.externalMiB.toFixed(0),
          String(window.handles),
          window.loopDelayMs.toFixed(1),
        ]),
    ),
    problems.length === 0
      ? 'Verdict: all held; every answer has its audit record and the chain verifies.'
      : `Verdict: broken.\n\n${problems.map((problem) => `- ${problem}`).join('\n')}`,
  ]);
}

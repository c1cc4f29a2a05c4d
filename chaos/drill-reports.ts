import type { ShownDrill } from '../src/operations/drills/drills.ts';
import { markdownTable, whereAndWhen, writeMarkdown } from './markdown.ts';

/** One drill that has ended. */
export interface Rehearsed {
  readonly name: string;
  readonly action: string;
  readonly hasBell?: boolean;
  readonly isNoRevocation?: boolean;
  readonly drill: ShownDrill;
  /** When the customer's action began, in milliseconds since 1970. */
  readonly revokedAt: number;
  readonly rangAt: number | undefined;
}

interface DrillRun {
  readonly boundSeconds: number;
  readonly bellSeconds: number;
  readonly seconds: number;
}

/**
 * Writes docs/reports/drills.md and one report for each drill. Returns whether every bound was held,
 * and that of the doorbell.
 */
export async function writeDrillReports(drills: readonly Rehearsed[], run: DrillRun): Promise<boolean> {
  const figures = drills.map((drill) => figuresOf(drill, run));
  for (const [index, drill] of drills.entries()) {
    const figure = figures[index];
    if (figure) await writeMarkdown(`drill-${drill.name}`, reportOf(drill, figure));
  }
  await writeMarkdown('drills', [
    '# Drills of revocations',
    whereAndWhen('npm run drills', run.seconds),
    `One drill for each way in which a customer can revoke access, by the emulated Azure, with two processes on one PostgreSQL. The emulated Azure has no delay of its own.
A real one needs seconds for a disabled key and up to 10 minutes for a removed role; the drill counts from Azure's first refusal, which a new sign-in with a new vault call
finds each second.`,
    markdownTable(
      [
        'customer',
        'bound',
        'used the key for',
        'refused everywhere',
        'of these, warm',
        'Azure refused with',
        'bound held',
      ],
      drills.map((drill, index) => rowOf(drill, figures[index])),
    ),
    `"Used the key for" counts from the first refusal to the last use by any process. "Refused everywhere" counts from the customer's action until the last of four refused:
two processes, each with its keys in memory (warm) and with a new sign-in (cold). With the doorbell this must be at most ${run.bellSeconds} s; the script rings right after the action.
Each attempt is a second apart, so each figure can be a second too high.`,
    figures.every(({ isHeld }) => isHeld) ? 'Verdict: every bound was held.' : 'Verdict: a bound was NOT held.',
  ]);
  return figures.every(({ isHeld }) => isHeld);
}

interface Figures {
  readonly boundSeconds: number;
  readonly everywhereSeconds: number | undefined;
  readonly warmSeconds: number | undefined;
  readonly isHeld: boolean;
}

function figuresOf({ drill, revokedAt, hasBell = false, isNoRevocation = false }: Rehearsed, run: DrillRun): Figures {
  const { report } = drill;
  const lastOf = (tracks: typeof report.tracks): number | undefined => {
    const times = tracks.map(({ refusedAt }) => (refusedAt === undefined ? Number.NaN : Date.parse(refusedAt)));
    const seconds = (Math.max(...times) - revokedAt) / 1_000;
    return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
  };
  const everywhereSeconds = lastOf(report.tracks);
  const isSignIn = report.tracks.some(({ attempts }) => attempts.some(({ scope }) => scope === 'tenant'));
  const isObeyed = !hasBell || (everywhereSeconds !== undefined && everywhereSeconds <= run.bellSeconds);
  return {
    boundSeconds: isSignIn ? report.signInBoundSeconds : report.boundSeconds,
    everywhereSeconds,
    warmSeconds: lastOf(report.tracks.filter(({ mode }) => mode === 'warm')),
    isHeld: isNoRevocation ? report.verdict === 'not-shown' : report.verdict === 'held' && isObeyed,
  };
}

const seconds = (value: number | undefined): string => (value === undefined ? '–' : `${value.toFixed(1)} s`);

function rowOf({ name, action, drill, isNoRevocation }: Rehearsed, figures: Figures | undefined): string[] {
  const { revokedBy, longestUseSeconds } = drill.report;
  const held = isNoRevocation ? 'not shown, as expected' : figures?.isHeld ? 'yes' : 'NO';
  return [
    `[${action}](drill-${name}.md)`,
    seconds(figures?.boundSeconds),
    seconds(longestUseSeconds),
    seconds(figures?.everywhereSeconds),
    seconds(figures?.warmSeconds),
    revokedBy.map((reason) => `\`${reason}\``).join(', ') || 'no refusal',
    held,
  ];
}

/** Returns the report as the service wrote it, after what the script did. */
function reportOf({ action, drill, revokedAt, rangAt }: Rehearsed, figures: Figures): readonly string[] {
  const done = [`The script began at ${new Date(revokedAt).toISOString()}: ${action}.`];
  if (rangAt !== undefined) done.push(`The doorbell answered at ${new Date(rangAt).toISOString()}.`);
  if (figures.everywhereSeconds !== undefined) {
    done.push(`The last of two processes refused ${seconds(figures.everywhereSeconds)} after the beginning.`);
  }
  const [title = '', ...rest] = (drill.markdown ?? '').trim().split('\n\n');
  return [title, `By \`npm run drills\`, see [drills.md](drills.md). ${done.join(' ')}`, ...rest];
}

import type { DrillReport, DrillTrack, DrillVerdict } from './drill-report.ts';

const VERDICTS: Readonly<Record<DrillVerdict, string>> = {
  held: 'The bound was held.',
  'not-held': 'The bound was not held.',
  'not-shown': 'The drill does not show whether the bound holds: not every process was refused.',
};

/** Returns the report as Markdown. */
export function drillMarkdown(report: DrillReport): string {
  const { tenantId, drillId, state, startedAt, endedAt, boundSeconds, verdict, revokedBy, tracks } = report;
  const facts: readonly (readonly [string, string | number | undefined])[] = [
    ['tenant', tenantId],
    ['drill', drillId],
    ['state', state],
    ['started', startedAt],
    ['ended', endedAt],
    ['bound promised', `${boundSeconds} s`],
    ['bound promised if only a sign-in is refused', `${report.signInBoundSeconds} s`],
    ['Azure refused with', revokedBy.join(', ') || 'no refusal'],
    ['first refusal by Azure', report.azureRefusedAt],
    ['Azure allowed again', report.azureBackAt],
    ['longest use after the first refusal', seconds(report.longestUseSeconds)],
    ['refused everywhere after', seconds(report.refusedEverywhereAfterSeconds)],
    ['access back everywhere', report.backEverywhereAt],
  ];
  return [
    `# Revocation drill of ${tenantId}`,
    '',
    `**${VERDICTS[verdict]}**`,
    '',
    '| | |',
    '| --- | --- |',
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`| ${name} | ${value} |`])),
    '',
    '| process | keys | used the key for | refused after | refused at | access back |',
    '| --- | --- | --- | --- | --- | --- |',
    ...tracks.map(trackRow),
    '',
    '| process | keys | outcome | from | to | audit record | vault call |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...tracks.flatMap(attemptRows),
    '',
  ].join('\n');
}

const seconds = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : `${value.toFixed(1)} s`;

const row = (cells: readonly (string | undefined)[]): string => `| ${cells.map((cell) => cell ?? '–').join(' | ')} |`;

const trackRow = ({ process, mode, usedForSeconds, refusedAfterSeconds, refusedAt, backAt }: DrillTrack): string =>
  row([shortOf(process), mode, seconds(usedForSeconds), seconds(refusedAfterSeconds), refusedAt, backAt]);

const attemptRows = ({ process, mode, attempts }: DrillTrack): readonly string[] =>
  attempts.map(({ outcome, code, reason, from, to, auditRequestId, vaultRequestId }) =>
    row([
      shortOf(process),
      mode,
      [outcome, code, reason].filter((part) => part !== undefined).join(' '),
      from,
      to,
      auditRequestId,
      vaultRequestId,
    ]),
  );

const shortOf = (process: string): string => process.slice(0, 8);

import { exportProblems, type VerifiedExport } from '../../audit/receipts/verify-export.ts';
import { amount } from './audit-report.ts';
import type { CommandIo } from './command.ts';

/** Prints the findings of `log verify`, and returns whether the export is complete and unchanged. */
export function reportExport(
  { checkpoint, withoutLine, lost, problems }: VerifiedExport,
  json: boolean,
  { stdout }: Pick<CommandIo, 'stdout'>,
): boolean {
  const ok = problems.length === 0;
  if (json) {
    const { origin, size, at } = checkpoint ?? {};
    stdout(`${JSON.stringify({ ok, origin, size, at, withoutLine, lost, problems })}\n`);
    return ok;
  }
  for (const { problem, entry } of problems) {
    stdout(`BAD${entry === undefined ? '' : ` at entry ${entry}`}: ${exportProblems[problem]}\n`);
  }
  if (!checkpoint) return ok;
  const facts = [
    `${checkpoint.origin}: ${checkpoint.size === 1 ? '1 entry' : `${checkpoint.size} entries`} at ${checkpoint.at}`,
    ...(withoutLine === 0 ? [] : [`${withoutLine} of them past the retention`]),
    ...(lost === 0 ? [] : [`${amount(lost, 'gap')} that the log itself names as lost`]),
    ok ? 'complete and unchanged' : 'NOT complete and unchanged',
  ];
  stdout(`${facts.join(', ')}\n`);
  return ok;
}

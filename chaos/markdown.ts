import { mkdir, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { describeMachine } from '../test/support/bench-report.ts';

/** Writes docs/reports/NAME.md. */
export async function writeMarkdown(name: string, parts: readonly string[]): Promise<void> {
  const folder = join(import.meta.dirname, '..', 'docs', 'reports');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.md`), `${parts.join('\n\n')}\n`);
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Returns the place and time of a run, for repeating it. */
export function whereAndWhen(command: string, seconds: number): string {
  const load = loadavg()
    .map((average) => average.toFixed(1))
    .join(', ');
  return `\`${command}\`, ended ${new Date().toISOString()} after ${(seconds / 60).toFixed(1)} minutes, on ${describeMachine()}. Load of the machine over the last 1, 5 and 15 minutes: ${load}; other work may run beside it.`;
}

/** Returns `code × 12, other × 3`. */
export const inWords = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([code, count]) => `\`${code}\` × ${count.toLocaleString('en')}`)
    .join(', ');

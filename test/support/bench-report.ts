import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

export const describeMachine = (): string =>
  `${cpus().length} cores, ${cpus()[0]?.model.trim()}, Node ${process.version}`;

export function printTable(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |\n`;
  process.stdout.write(
    `${title}\n\n${line(header)}${line(widths.map((width) => '-'.repeat(width)))}${rows.map(line).join('')}`,
  );
}

/**
 * Writes a benchmark's figures to bench/results/NAME.json, with the machine on which they were
 * measured.
 */
export async function writeResults(name: string, results: readonly object[]): Promise<void> {
  const folder = join(import.meta.dirname, '..', '..', 'bench', 'results');
  await mkdir(folder, { recursive: true });
  const report = { benchmark: name, at: new Date().toISOString(), machine: describeMachine(), results };
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(report, undefined, 2)}\n`);
}

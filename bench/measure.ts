import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Client } from 'pg';

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export const describeMachine = (): string =>
  `${cpus().length} cores, ${cpus()[0]?.model.trim()}, Node ${process.version}`;

/** A fresh database on the server that scripts/postgres.sh has started. */
export async function emptyDatabase(): Promise<string> {
  const server = process.env['TEST_DATABASE_URL'];
  if (!server) throw new Error('Run this through scripts/postgres.sh');
  const name = `bench_${randomUUID().replaceAll('-', '')}`;
  const client = new Client({ connectionString: server });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return server.replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${name}`);
}

export function printTable(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |\n`;
  process.stdout.write(
    `${title}\n\n${line(header)}${line(widths.map((width) => '-'.repeat(width)))}${rows.map(line).join('')}`,
  );
}

/** Writes a benchmark's figures to bench/results/NAME.json, with the machine that they are of. */
export async function writeResults(name: string, results: readonly object[]): Promise<void> {
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  const report = { benchmark: name, at: new Date().toISOString(), machine: describeMachine(), results };
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(report, undefined, 2)}\n`);
}

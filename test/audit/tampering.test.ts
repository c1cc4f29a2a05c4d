import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { type Directory, eventOf, START, temporaryDirectory } from '../support/chains.ts';

/** A process that wrote three files and ended, and the next one, which continues it. */
let log: Directory;
let files: readonly string[];
let texts: readonly string[];
beforeAll(async () => {
  log = await temporaryDirectory();
  let at = START;
  for (const events of [8, 3]) {
    const sink = await openFileSink({ directory: log.path, maxFileBytes: 1000, now: () => at });
    for (let n = 0; n < events; n += 1) await sink.record(eventOf(n));
    await sink.close();
    at += 1000;
  }
  files = await log.files();
  texts = await Promise.all(files.map(log.read));
});
afterAll(async () => {
  await log[Symbol.asyncDispose]();
});

const linesOf = (file: number): string[] => (texts[file] ?? '').split(/(?<=\n)/);

/**
 * Returns the verifier's findings with these lines in place of a file's own; the file is then
 * restored.
 */
async function findings(file: number, lines: readonly string[]) {
  const path = join(log.path, files[file] ?? '');
  await writeFile(path, lines.join(''));
  try {
    const found = await verifyDirectories([log.path]);
    return found.filter(({ firstBad, badLink }) => firstBad ?? badLink);
  } finally {
    await writeFile(path, texts[file] ?? '');
  }
}

const changed = (line: string): string => line.replace(/"salt":"./, (start) => start.slice(0, -1) + flip(start));
const flip = (start: string): string => (start.endsWith('A') ? 'B' : 'A');

describe('in each place of each file', () => {
  test('nothing is reported without tampering', async () => {
    expect(files.length).toBeGreaterThan(3);
    expect(await findings(0, linesOf(0))).toEqual([]);
  });

  const everywhere = async (tamper: (lines: readonly string[], at: number) => readonly string[] | undefined) => {
    const missed: string[] = [];
    for (const [file, name] of files.entries()) {
      for (const at of linesOf(file).keys()) {
        const lines = tamper(linesOf(file), at);
        if (lines && (await findings(file, lines)).length === 0) missed.push(`${name} line ${at + 1}`);
      }
    }
    return missed;
  };
  /**
   * Only a later chain or a copy elsewhere can confirm a chain's last record: see docs/audit.md.
   */
  const lastLine = () => `${files.at(-1)} line ${linesOf(files.length - 1).length}`;

  test('a changed record is detected', async () => {
    expect(await everywhere((lines, at) => lines.with(at, changed(lines[at] ?? '')))).toEqual([lastLine()]);
  });

  test('a removed record is detected', async () => {
    expect(await everywhere((lines, at) => lines.toSpliced(at, 1))).toEqual([lastLine()]);
  });

  test('two swapped records are detected', async () => {
    const swap = (lines: readonly string[], at: number) =>
      at === 0 ? undefined : lines.with(at, lines[at - 1] ?? '').with(at - 1, lines[at] ?? '');
    expect(await everywhere(swap)).toEqual([]);
  });

  test('a duplicate record is detected', async () => {
    expect(await everywhere((lines, at) => lines.toSpliced(at, 0, lines[at] ?? ''))).toEqual([]);
  });

  test('a file cut within a record is detected', async () => {
    expect(await everywhere((lines, at) => [...lines.slice(0, at), (lines[at] ?? '').slice(0, -9)])).toEqual([]);
  });

  test('a file cut before a record is detected, or leaves the newest chain without its close record', async () => {
    const newest = linesOf(files.length - 1).length;
    const missed = await everywhere((lines, at) => lines.slice(0, at));
    expect(missed.every((place) => place.startsWith(files.at(-1) ?? ''))).toBe(true);
    expect(missed).toHaveLength(newest);
    const path = join(log.path, files.at(-1) ?? '');
    await writeFile(
      path,
      linesOf(files.length - 1)
        .slice(0, -1)
        .join(''),
    );
    expect((await verifyDirectories([log.path])).at(-1)).toMatchObject({ closed: false });
    await writeFile(path, texts.at(-1) ?? '');
  });
});

test('each removed file is detected, except the newest', async () => {
  for (const name of files.slice(0, -1)) {
    const path = join(log.path, name);
    const text = await readFile(path);
    await rm(path);
    const found = await verifyDirectories([log.path]);
    expect(found.some(({ firstBad, badLink }) => firstBad ?? badLink)).toBe(true);
    await writeFile(path, text);
  }
});

import { execFile } from 'node:child_process';
import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ExportProblem, verifyExport } from '../../../src/audit/receipts/verify-export.ts';
import { MemoryKey } from '../../support/receipts.ts';
import { changeEntries, type Exports, makeExports, TAMPERINGS } from '../../support/tampered-export.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const key = new MemoryKey();

let folder: string;
let exports: Exports;
let python: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-export-'));
  exports = await makeExports(folder, key);
  python = (await promisify(execFile)('scripts/python-venv.sh', { cwd: ROOT })).stdout.trim();
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Returns a copy of an export, changed. */
async function changed(change: (copy: string) => Promise<void>, of = exports.latest): Promise<string> {
  count += 1;
  const copy = join(folder, `copy-${count}`);
  await cp(of, copy, { recursive: true });
  await change(copy);
  return copy;
}

/** Returns the problems that the command finds. */
async function problemsOf(path: string, since?: string): Promise<readonly ExportProblem['problem'][]> {
  const kept = since && (await readFile(since, 'utf8'));
  const { problems } = await verifyExport(path, [key.key], kept, new AbortController().signal);
  return problems.map(({ problem }) => problem);
}

/** Returns whether the customer's script finds an export complete and unchanged, and what it prints. */
async function script(path: string, ...options: readonly string[]): Promise<{ isGood: boolean; output: string }> {
  const args = ['docs/verify_log.py', path, exports.key, ...options];
  return new Promise((resolve) => {
    execFile(python, args, { cwd: ROOT }, (error, stdout, stderr) =>
      resolve({ isGood: error === null, output: stdout + stderr }),
    );
  });
}

const changedNote = async () => (await readFile(exports.kept, 'utf8')).replace(/\n\d+\n/, '\n1\n');

test('the script fits on a page', async () => {
  const lines = (await readFile(join(ROOT, 'docs/verify_log.py'), 'utf8')).trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(80);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(140);
});

test('an untouched export is complete and unchanged, alone and since the kept checkpoint', async () => {
  expect(await problemsOf(exports.latest)).toEqual([]);
  expect(await problemsOf(exports.latest, exports.kept)).toEqual([]);
  expect(await script(exports.latest, '--since', exports.kept)).toEqual({
    isGood: true,
    output: expect.stringMatching(
      /tenants\/tenant-1 at .*: 800 entries, 0 of them without their line\ncomplete and unchanged\n$/,
    ),
  });
});

describe.each(TAMPERINGS)('%s', (_kind, problem, tamper) => {
  test('is found by the command and by the script', async () => {
    const copy = await changed(tamper);
    expect(await problemsOf(copy)).toContain(problem);
    expect(await script(copy)).toMatchObject({ isGood: false });
  });
});

describe('two checkpoints show', () => {
  test('a split view: another log under the same name and key', async () => {
    expect(await problemsOf(exports.forked)).toEqual([]);
    expect(await script(exports.forked)).toMatchObject({ isGood: true });
    expect(await problemsOf(exports.forked, exports.kept)).toEqual(['not-consistent']);
    const { isGood, output } = await script(exports.forked, '--since', exports.kept);
    expect(isGood).toBe(false);
    expect(output).toContain('the log does not extend the kept one');
  });

  /** The vendor holds the key: without a kept checkpoint a new log is as good as the old one. */
  test.each<[string, (lines: string[]) => string[]]>([
    ['altered', (lines) => lines.with(5, (lines[5] ?? '').replace('encrypt', 'decrypt'))],
    ['removed', (lines) => lines.toSpliced(5, 1)],
    ['inserted', (lines) => lines.toSpliced(5, 0, lines[4] ?? '')],
    ['moved', (lines) => lines.with(5, lines[6] ?? '').with(6, lines[5] ?? '')],
  ])('a record that was %s before the vendor signed the log again', async (_how, tamper) => {
    const copy = await changed(async (path) => {
      const lines = (await readFile(join(path, 'entries.ndjson'), 'utf8')).trimEnd().split('\n');
      await key.writeExport(path, tamper(lines));
    });
    expect(await problemsOf(copy, exports.kept)).toContain('not-consistent');
    const { isGood, output } = await script(copy, '--since', exports.kept);
    expect(isGood).toBe(false);
    expect(output).toContain('the log does not extend the kept one');
  });

  test('a checkpoint that is withheld', async () => {
    const newer = join(exports.latest, 'checkpoint');
    expect(await problemsOf(exports.old)).toEqual([]);
    expect(await problemsOf(exports.old, newer)).toContain('went-back');
    const { isGood, output } = await script(exports.old, '--since', newer);
    expect(isGood).toBe(false);
    expect(output).toContain('withheld');
  });

  test('a checkpoint that is withheld with its tiles: the script names that first', async () => {
    const copy = await changed(async (path) => copyFile(join(exports.old, 'checkpoint'), join(path, 'checkpoint')));
    const { isGood, output } = await script(copy, '--since', join(exports.latest, 'checkpoint'));
    expect(isGood).toBe(false);
    expect(output).toContain('withheld');
  });

  test.each([
    ['a kept checkpoint that was changed', changedNote, 'was changed: its signature is wrong'],
    ['a file that is no checkpoint', async () => '', 'is no checkpoint that is signed by your key'],
  ])('%s is named by the script with its file', async (_what, noteOf, message) => {
    const file = join(folder, 'mistaken');
    await writeFile(file, await noteOf());
    const { isGood, output } = await script(exports.latest, '--since', file);
    expect(isGood).toBe(false);
    expect(output).toContain(`${file} ${message}`);
    const missing = await script(join(folder, 'nowhere'));
    expect([missing.isGood, missing.output]).toEqual([false, expect.stringContaining(join(folder, 'nowhere'))]);
  });

  test('that one of them is not signed, or of another log', async () => {
    const other = join(folder, 'other');
    await writeFile(other, (await readFile(exports.kept, 'utf8')).replaceAll('tenant-1', 'tenant-2'));
    expect(await problemsOf(exports.latest, other)).toEqual(['kept-not-signed', 'other-log']);
    expect(await script(exports.latest, '--since', other)).toMatchObject({ isGood: false });
  });
});

describe('the numbers of the records', () => {
  /** Signs an export's entries again after a change, as a vendor who holds the key can. */
  async function resigned(change: (lines: string[]) => string[]): Promise<string> {
    return changed(async (copy) => {
      await changeEntries(copy, (lines) => change(lines).slice(0, 250));
      const lines = (await readFile(join(copy, 'entries.ndjson'), 'utf8')).trimEnd().split('\n');
      await key.writeExport(copy, lines);
    }, exports.old);
  }

  test('are complete when the vendor signs the log as it is', async () => {
    const copy = await resigned((lines) => lines);
    expect(await problemsOf(copy)).toEqual([]);
    expect(await script(copy)).toMatchObject({ isGood: true });
  });

  test('show a record that was removed before the log was signed, unless the log names the gap', async () => {
    const removed = await resigned((lines) => lines.toSpliced(100, 1));
    expect(await problemsOf(removed)).toEqual(['numbers-missing']);
    expect((await script(removed)).output).toContain('records are missing');

    const named = await resigned((lines) => {
      const { chain, sequence } = JSON.parse(lines[100] ?? '');
      const gap = {
        type: 'lost',
        tenantId: 'tenant-1',
        chain,
        first: sequence,
        last: sequence,
        at: '2026-11-26T20:00:00.000Z',
      };
      return lines.toSpliced(100, 1, JSON.stringify(gap));
    });
    expect(await problemsOf(named)).toEqual([]);
    const { isGood, output } = await script(named);
    expect(isGood).toBe(true);
    expect(output).toMatch(/^lost: \d+ to \d+ of chain/m);
  });

  test('show a record that stands twice', async () => {
    const copy = await resigned((lines) => lines.toSpliced(100, 0, lines[99] ?? ''));
    expect(await problemsOf(copy)).toEqual(['number-twice']);
    expect(await script(copy)).toMatchObject({ isGood: false });
  });

  test('may begin late when the first records are past their retention, and only then', async () => {
    const copy = await changed(async (path) => changeEntries(path, (lines) => lines.fill('', 0, 300)));
    expect(await problemsOf(copy)).toEqual([]);
    expect((await script(copy)).output).toContain('300 of them without their line\ncomplete and unchanged');
    const late = await resigned((lines) => lines.slice(20));
    expect(await problemsOf(late)).toEqual(['numbers-missing']);
    expect(await script(late)).toMatchObject({ isGood: false });
  });
});

import { Readable, Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import type { ProcessIo } from '../../src/cli/support/command.ts';
import { openProgress, type Ticks } from '../../src/cli/support/progress.ts';
import { noProcesses } from '../support/run-cli.ts';

const ERASE = '\r\u001b[2K';

/** Returns the progress of a command, and what both outputs have got, in one list. */
function progressOn(isStderrTerminal: boolean, isStdoutTerminal = isStderrTerminal) {
  const printed: string[] = [];
  const print = (text: string) => {
    printed.push(text);
  };
  const { signal } = new AbortController();
  const io: ProcessIo = {
    stdout: print,
    stderr: print,
    isStdoutTerminal,
    isStderrTerminal,
    stdin: () => Readable.from([]),
    stdoutBytes: () => new Writable(),
    env: {},
    cwd: '.',
    memoryBytes: 2 ** 30,
    cores: 1,
    ...noProcesses,
    user: 'tester',
    setEnv: () => undefined,
    onExit: () => () => undefined,
    signal,
    hurry: signal,
  };
  let now = 0;
  let tick: (() => void) | undefined;
  const ticks: Ticks = {
    now: () => now,
    every: (_ms, run) => {
      tick = run;
      return () => {
        tick = undefined;
      };
    },
  };
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; now += 100) tick?.();
    tick?.();
  };
  return { ...openProgress(io, ticks), printed, pass };
}

test('a command that prints nothing for a second shows what it does, and for how long', () => {
  const { io, printed, pass, end } = progressOn(true);
  io.progress('verifying a.ndjson');
  pass(900);
  expect(printed).toEqual([]);
  pass(300);
  io.progress('verifying b.ndjson');
  pass(2_000);
  expect([printed[0], printed.at(-1)]).toEqual([
    `${ERASE}verifying a.ndjson (1 s)`,
    `${ERASE}verifying b.ndjson (3 s)`,
  ]);
  end();
  expect(printed.at(-1)).toBe(ERASE);
  const count = printed.length;
  pass(5_000);
  expect(printed).toHaveLength(count);
});

test.each(['stdout', 'stderr'] as const)('what is printed on %s replaces the line, and begins a new second', (name) => {
  const { io, printed, pass, end } = progressOn(true);
  io.progress('checking contoso');
  pass(1_200);
  io[name]('a finding\n');
  expect(printed.slice(-2)).toEqual([ERASE, 'a finding\n']);
  pass(900);
  expect(printed.at(-1)).toBe('a finding\n');
  end();
  expect(printed.at(-1)).toBe('a finding\n');
});

test('an empty text, and a command that says nothing, show nothing', () => {
  const { io, printed, pass, end } = progressOn(true);
  pass(3_000);
  expect(printed).toEqual([]);
  io.progress('opening the database');
  pass(1_200);
  io.progress('');
  pass(3_000);
  expect(printed.at(-1)).toBe(ERASE);
  end();
});

test('without a terminal there is no progress', () => {
  const { io, printed, pass, end } = progressOn(false);
  io.progress('checking contoso');
  pass(10_000);
  io.stdout('contoso: passed\n');
  end();
  expect(printed).toEqual(['contoso: passed\n']);
});

test.each([
  ['stdout', true],
  ['stderr', true],
  ['stderr', false],
] as const)('what %s has printed without a line end is not erased', (name, isStdoutTerminal) => {
  const { io, printed, pass, end } = progressOn(true, isStdoutTerminal);
  io.progress('checking contoso');
  io[name]('contoso:');
  pass(3_000);
  io[name](' passed\n');
  expect(printed).toEqual(['contoso:', ' passed\n']);
  pass(1_200);
  expect(printed.at(-1)).toContain('checking contoso');
  end();
});

test('bytes of a file on the same terminal are not erased, and the next line begins below them', () => {
  const { io, printed, pass, end } = progressOn(true);
  io.stdoutBytes();
  io.progress('decrypting');
  pass(3_000);
  io.stderr('1.0 MiB\n');
  expect(printed).toEqual(['\n1.0 MiB\n']);
  end();
});

test('output that goes to a file changes nothing on the terminal', () => {
  const { io, printed, pass, end } = progressOn(true, false);
  io.stdoutBytes();
  io.stdout('contoso:');
  io.progress('decrypting');
  pass(1_200);
  io.stderr('1.0 MiB\n');
  expect(printed[1]).toBe(`${ERASE}decrypting (1 s)`);
  expect(printed.slice(-2)).toEqual([ERASE, '1.0 MiB\n']);
  end();
});

test('a long text stays within one line', () => {
  const { io, printed, pass, end } = progressOn(true);
  io.progress('x'.repeat(300));
  pass(1_200);
  expect(printed[0]?.length).toBeLessThan(80 + ERASE.length);
  end();
});

import type { CommandIo, ProcessIo } from './command.ts';

const QUIET_MS = 1_000;
const EVERY_MS = 200;
/** A longer text would take two lines, of which only the last is erased. */
const MAX_CHARACTERS = 70;
const ERASE = '\r\u001b[2K';

const MIB = 1_048_576;
const BAR_CHARACTERS = 24;

/** The time as the progress sees it. */
export interface Ticks {
  /** Monotonic, in milliseconds. */
  now(): number;
  /** Calls `run` again and again until the returned function is called. */
  every(ms: number, run: () => void): () => void;
}

const systemTicks: Ticks = {
  now: () => performance.now(),
  every: (ms, run) => {
    const timer = setInterval(run, ms).unref();
    return () => clearInterval(timer);
  },
};

/**
 * Returns the access of a command to the outside world, with its progress: one line on standard
 * error that shows what the command does and for how long, until something else is printed. It needs
 * a terminal. Output in the same terminal is not erased: nothing is shown behind a text without a
 * line's end, nor behind the bytes of a file.
 */
export function openProgress(io: ProcessIo, ticks: Ticks = systemTicks): { readonly io: CommandIo; end(): void } {
  if (!io.isStderrTerminal) return { io: { ...io, progress: () => undefined }, end: () => undefined };
  const startedAt = ticks.now();
  let printedAt = startedAt;
  let text = '';
  let isShown = false;
  let isLineEnded = true;
  let hasBytes = false;
  const erase = (): void => {
    if (isShown) io.stderr(ERASE);
    isShown = false;
  };
  const draw = (): void => {
    if (text === '' || !isLineEnded || ticks.now() - printedAt < QUIET_MS) return;
    const seconds = Math.floor((ticks.now() - startedAt) / 1_000);
    io.stderr(`${ERASE}${text.slice(0, MAX_CHARACTERS)} (${seconds} s)`);
    isShown = true;
  };
  const printing =
    (print: (text: string) => void, isTerminal: boolean) =>
    (printed: string): void => {
      erase();
      print(hasBytes && isTerminal ? `\n${printed}` : printed);
      printedAt = ticks.now();
      if (!isTerminal || printed === '') return;
      hasBytes = false;
      isLineEnded = printed.endsWith('\n');
    };
  const stdoutBytes = () => {
    erase();
    if (io.isStdoutTerminal) {
      hasBytes = true;
      isLineEnded = false;
    }
    return io.stdoutBytes();
  };
  const stop = ticks.every(EVERY_MS, draw);
  const progress = (now: string): void => {
    text = now;
    if (text === '') erase();
  };
  return {
    io: {
      ...io,
      stdout: printing(io.stdout, io.isStdoutTerminal),
      stderr: printing(io.stderr, true),
      stdoutBytes,
      progress,
    },
    end: () => {
      stop();
      erase();
    },
  };
}

/** Passes the pieces on; if standard error is a terminal, shows how many bytes they are. */
export async function* showProgress(
  source: AsyncIterable<Uint8Array>,
  bytes: number | undefined,
  io: Pick<CommandIo, 'stderr' | 'isStderrTerminal' | 'progress'>,
): AsyncGenerator<Uint8Array> {
  if (!io.isStderrTerminal) {
    yield* source;
    return;
  }
  const startedAt = performance.now();
  let [done, shownAt] = [0, 0];
  const line = () => lineOf(done, bytes, (performance.now() - startedAt) / 1_000);
  try {
    for await (const piece of source) {
      yield piece;
      done += piece.length;
      if (performance.now() - shownAt < EVERY_MS) continue;
      shownAt = performance.now();
      io.progress(line());
    }
  } finally {
    io.progress('');
    io.stderr(`${line()}\n`);
  }
}

function lineOf(done: number, bytes: number | undefined, seconds: number): string {
  const rate = `${(done / MIB / Math.max(seconds, 0.001)).toFixed(0)} MiB/s`;
  const amount = `${(done / MIB).toFixed(1)} MiB`;
  if (bytes === undefined) return `${amount}  ${rate}`;
  const part = bytes === 0 ? 1 : done / bytes;
  const filled = Math.round(part * BAR_CHARACTERS);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_CHARACTERS - filled)}`;
  return `${bar} ${Math.floor(part * 100)} %  ${amount}  ${rate}`;
}

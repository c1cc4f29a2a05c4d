import type { CommandIo } from './command.ts';

const EVERY_MS = 200;
const MIB = 1_048_576;
const BAR_CHARACTERS = 24;

/** Passes the pieces on; if standard error is a terminal, prints a line with the progress. */
export async function* showProgress(
  source: AsyncIterable<Uint8Array>,
  bytes: number | undefined,
  io: Pick<CommandIo, 'stderr' | 'isStderrTerminal'>,
): AsyncGenerator<Uint8Array> {
  if (!io.isStderrTerminal) {
    yield* source;
    return;
  }
  const startedAt = performance.now();
  let [done, shownAt] = [0, 0];
  const show = () => {
    shownAt = performance.now();
    io.stderr(`\r${lineOf(done, bytes, (shownAt - startedAt) / 1_000)}`);
  };
  try {
    for await (const piece of source) {
      yield piece;
      done += piece.length;
      if (performance.now() - shownAt >= EVERY_MS) show();
    }
    show();
  } finally {
    io.stderr('\n');
  }
}

function lineOf(done: number, bytes: number | undefined, seconds: number): string {
  const rate = `${(done / MIB / Math.max(seconds, 0.001)).toFixed(0)} MiB/s`;
  const amount = `${(done / MIB).toFixed(1)} MiB`;
  if (bytes === undefined) return `${amount}  ${rate}    `;
  const part = bytes === 0 ? 1 : done / bytes;
  const filled = Math.round(part * BAR_CHARACTERS);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_CHARACTERS - filled)}`;
  return `${bar} ${Math.floor(part * 100)} %  ${amount}  ${rate}    `;
}

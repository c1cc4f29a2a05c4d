/** The stream of the log lines. */
interface Output {
  /** Bytes that were written and that the reader has not read yet. */
  readonly writableLength: number;
  write(text: string): unknown;
  once(event: 'drain', listener: () => void): unknown;
}

const MAX_WAITING_BYTES = 1024 * 1024;

/**
 * Returns a writer of log lines that never waits: while 1 MiB waits for a slow reader, such as a
 * full pipe, lines are dropped. When the reader continues, one line reports the number of dropped
 * lines.
 */
export function boundedOutput(output: Output): (line: string) => void {
  let dropped = 0;
  const report = () => {
    output.write(droppedLine(dropped));
    dropped = 0;
  };
  return (line) => {
    if (dropped === 0 && output.writableLength < MAX_WAITING_BYTES) {
      output.write(line);
      return;
    }
    if (dropped === 0) output.once('drain', report);
    dropped += 1;
  };
}

/** Returns a line in the logger's own format; 40 is its level of warnings. */
const droppedLine = (dropped: number): string =>
  `${JSON.stringify({ level: 40, time: new Date().toISOString(), dropped, msg: 'log lines dropped: their reader was too slow' })}\n`;

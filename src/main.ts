import { closeSync, openSync } from 'node:fs';
import process from 'node:process';
import { runCommand } from './cli/run-command.ts';
import { outputTaken } from './cli/support/output-taken.ts';
import { openProcessIo } from './cli/support/process-io.ts';

const io = openProcessIo(import.meta.filename);

/** Wait for a reader that takes none of our output; after a signal, wait for any reader. */
const OUTPUT_GRACE_MS = 2_000;

/** Returns whether a person may be reading, with a pager that waits for a key. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** Returns whether the readers of both outputs have taken all of it. */
async function areOutputsTaken(): Promise<boolean> {
  const stallMs = hasTerminal() ? undefined : OUTPUT_GRACE_MS;
  const taken = await Promise.all([process.stdout, process.stderr].map((stream) => outputTaken(stream, stallMs)));
  return taken.every(Boolean);
}

/** Resolves some time after a signal. */
const graceOver = () =>
  new Promise<undefined>((resolve) => {
    const start = () => setTimeout(resolve, OUTPUT_GRACE_MS, undefined);
    if (io.signal.aborted) start();
    else io.signal.addEventListener('abort', start);
  });

const exitCode = await runCommand(process.argv.slice(2), io);
const isTaken = await Promise.race([areOutputsTaken(), graceOver()]);
const isLost = isTaken === false && !io.signal.aborted;
if (isLost) process.stderr.write('vaultspan: the reader of the output did not take all of it\n');
// A connection that still hangs must not prevent the command from ending.
process.exit(isLost && exitCode === 0 ? 1 : exitCode);

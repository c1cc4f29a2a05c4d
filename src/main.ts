import { closeSync, openSync } from 'node:fs';
import { totalmem, userInfo } from 'node:os';
import process from 'node:process';
import { runCommand } from './cli/run-command.ts';
import type { CommandIo } from './cli/support/command.ts';
import { outputTaken } from './cli/support/output-taken.ts';

/**
 * The only file that accesses the process. It passes streams, environment and signals to the
 * command line.
 */
const stopping = new AbortController();
const hurrying = new AbortController();
/** Longest clean-up after the second signal. */
const HURRY_MS = 5_000;

/**
 * Handles a signal. The first ends the work in order; the second ends it at once, without leaving
 * partial results.
 */
function stop(): void {
  if (stopping.signal.aborted) {
    hurrying.abort();
    setTimeout(() => process.exit(130), HURRY_MS).unref();
  }
  stopping.abort();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, stop);

const PARENT_POLL_MS = 500;
/**
 * Stops when the parent does. A killed npm does not notify its script, whose parent process then
 * changes.
 */
function stopWithParent(): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, PARENT_POLL_MS).unref();
}
if (process.env['npm_lifecycle_event'] !== undefined) stopWithParent();

// A full disk or a closed pipe under our output must not stop the service.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const io: CommandIo = {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  isStderrTerminal: process.stderr.isTTY,
  stdin: () => process.stdin,
  stdoutBytes: () => process.stdout,
  env: process.env,
  cwd: process.cwd(),
  memoryBytes: Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()),
  user: userName(),
  setEnv: (name, value) => {
    process.env[name] = value;
  },
  onExit: (cleanUp) => {
    process.on('exit', cleanUp);
    return () => process.off('exit', cleanUp);
  },
  signal: stopping.signal,
  hurry: hurrying.signal,
};

/** Returns the user's name. Containers may run under a number without a user. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

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
    if (stopping.signal.aborted) start();
    else stopping.signal.addEventListener('abort', start);
  });

const exitCode = await runCommand(process.argv.slice(2), io);
const isTaken = await Promise.race([areOutputsTaken(), graceOver()]);
const isLost = isTaken === false && !stopping.signal.aborted;
if (isLost) process.stderr.write('vaultspan: the reader of the output did not take all of it\n');
// A connection that still hangs must not prevent the command from ending.
process.exit(isLost && exitCode === 0 ? 1 : exitCode);

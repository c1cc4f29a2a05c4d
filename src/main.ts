import { totalmem, userInfo } from 'node:os';
import process from 'node:process';
import { runCommand } from './cli/run-command.ts';
import type { CommandIo } from './cli/support/command.ts';

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

/**
 * How long to wait for the reader of our output after SIGTERM. Without a signal the wait is for the
 * reader's own sake, such as a pager's.
 */
const OUTPUT_GRACE_MS = 2_000;

const written = (stream: NodeJS.WriteStream) => new Promise<void>((resolve) => stream.write('', () => resolve()));

/** Resolves some time after a signal. */
const graceOver = () =>
  new Promise<void>((resolve) => {
    const start = () => setTimeout(resolve, OUTPUT_GRACE_MS);
    if (stopping.signal.aborted) start();
    else stopping.signal.addEventListener('abort', start);
  });

const exitCode = await runCommand(process.argv.slice(2), io);
await Promise.race([Promise.all([written(process.stdout), written(process.stderr)]), graceOver()]);
// A connection that still hangs must not prevent the command from ending.
process.exit(exitCode);

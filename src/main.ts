import { userInfo } from 'node:os';
import process from 'node:process';
import { runCommand } from './cli/run-command.ts';
import type { CommandIo } from './cli/support/command.ts';

/** The only file that touches the process: hands it to the command line, and its signals with it. */
const stopping = new AbortController();
const hurrying = new AbortController();
/** Longest clean-up after the second signal. */
const HURRY_MS = 5_000;
/** Longest wait for a reader of our output. */
const FLUSH_MS = 2_000;

/** The first request to stop ends the work in order; the second ends it at once, and still leaves nothing half done. */
function stop(): void {
  if (stopping.signal.aborted) {
    hurrying.abort();
    setTimeout(() => process.exit(130), HURRY_MS).unref();
  }
  stopping.abort();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, stop);

const PARENT_POLL_MS = 500;
/** npm that is killed tells its script nothing: the script belongs to another parent from then on. */
function stopWithParent(): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, PARENT_POLL_MS).unref();
}
if (process.env['npm_lifecycle_event'] !== undefined) stopWithParent();

// A full disk or a closed pipe under our output is no reason to stop serving.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const io: CommandIo = {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  isStderrTerminal: process.stderr.isTTY,
  stdin: () => process.stdin,
  stdoutBytes: () => process.stdout,
  env: process.env,
  cwd: process.cwd(),
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

/** Returns the user's name. Containers may run under a number that no user has. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Resolves when the output is written, or when nobody has read it for a while. */
const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    stream.write('', () => resolve());
    setTimeout(resolve, FLUSH_MS);
  });

const exitCode = await runCommand(process.argv.slice(2), io);
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
// Whatever still hangs, such as a connection that nobody answers, must not keep the command from ending.
process.exit(exitCode);

import { userInfo } from 'node:os';
import process from 'node:process';
import { runCommand } from './cli/run-command.ts';
import type { CommandIo } from './cli/support/command.ts';

/** The only file that touches the process: hands it to the command line, and its signals with it. */
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(130); // asked twice
    stopping.abort();
  });
}

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
  signal: stopping.signal,
};

/** Containers may run under a number that no user has. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

process.exitCode = await runCommand(process.argv.slice(2), io);

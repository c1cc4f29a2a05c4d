import process from 'node:process';
import type { CommandIo } from '../../src/cli/command.ts';
import { runCommand } from '../../src/cli/run-command.ts';

/** One run of the command line in this process. */
export interface CliRun {
  readonly exitCode: Promise<number>;
  readonly out: () => string;
  readonly err: () => string;
  readonly stop: () => void;
}

export function runCli(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string> },
): CliRun {
  let out = '';
  let err = '';
  const stopping = new AbortController();
  const io: CommandIo = {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    env: options.env ?? {},
    cwd: options.cwd,
    user: 'tester',
    setEnv: (name, value) => {
      process.env[name] = value;
    },
    signal: stopping.signal,
  };
  return { exitCode: runCommand(args, io), out: () => out, err: () => err, stop: () => stopping.abort() };
}

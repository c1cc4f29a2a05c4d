import process from 'node:process';
import { Readable, Writable } from 'node:stream';
import { runCommand } from '../../src/cli/run-command.ts';
import type { ProcessIo } from '../../src/cli/support/command.ts';

/** One run of the command line in this process. */
export interface CliRun {
  readonly exitCode: Promise<number>;
  readonly out: () => string;
  readonly outBytes: () => Buffer;
  readonly err: () => string;
  readonly stop: () => void;
}

/** The part of the outside world of a command that starts no process. */
export const noProcesses: Pick<ProcessIo, 'startProcess' | 'parent' | 'onHangUp'> = {
  startProcess: () => {
    throw new Error('this command starts no process');
  },
  parent: undefined,
  onHangUp: () => undefined,
};

export function runCli(
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env?: Record<string, string>;
    readonly stdin?: Buffer | AsyncIterable<Buffer>;
    readonly isStderrTerminal?: boolean;
  },
): CliRun {
  let out = '';
  const bytes: Buffer[] = [];
  let err = '';
  const stopping = new AbortController();
  const io: ProcessIo = {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isStdoutTerminal: false,
    isStderrTerminal: options.isStderrTerminal ?? false,
    stdin: () => Readable.from(piecesOf(options.stdin), { objectMode: false }),
    stdoutBytes: () =>
      new Writable({
        write: (piece: Buffer, _encoding, done) => {
          bytes.push(piece);
          done();
        },
      }),
    env: options.env ?? {},
    cwd: options.cwd,
    memoryBytes: 4 * 1024 ** 3,
    cores: 4,
    ...noProcesses,
    user: 'tester',
    setEnv: (name, value) => {
      process.env[name] = value;
    },
    onExit: () => () => undefined,
    signal: stopping.signal,
    hurry: new AbortController().signal,
  };
  return {
    exitCode: runCommand(args, io),
    out: () => out,
    outBytes: () => Buffer.concat(bytes),
    err: () => err,
    stop: () => stopping.abort(),
  };
}

const piecesOf = (stdin: Buffer | AsyncIterable<Buffer> = Buffer.alloc(0)): Iterable<Buffer> | AsyncIterable<Buffer> =>
  Buffer.isBuffer(stdin) ? [stdin] : stdin;

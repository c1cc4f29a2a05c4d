import type { Readable, Writable } from 'node:stream';

/** A command's access to the outside world; `main.ts` provides it from the process. */
export interface CommandIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether standard error is a terminal. */
  readonly isStderrTerminal: boolean;
  /** For commands that read or write bytes. */
  readonly stdin: () => Readable;
  readonly stdoutBytes: () => Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Memory of the machine or the container. */
  readonly memoryBytes: number;
  /** The operating system's name of the user who runs the command; the audit log contains it. */
  readonly user: string;
  /** For libraries that read the environment themselves, such as the SDK's managed identity. */
  readonly setEnv: (name: string, value: string) => void;
  /**
   * Runs the clean-up, which is synchronous, however the process exits. Returns a function that
   * cancels it.
   */
  readonly onExit: (cleanUp: () => void) => () => void;
  /** Aborted on the first signal to stop: SIGINT, SIGTERM, SIGHUP or SIGQUIT. */
  readonly signal: AbortSignal;
  /** Aborted on the second signal: slow work is cut short. */
  readonly hurry: AbortSignal;
}

/** One command of the command line, in a file of its own. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** Resolves with the exit code: 0 done, 1 failed, 2 called wrongly or not configured. */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}

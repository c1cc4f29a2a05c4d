import type { Readable, Writable } from 'node:stream';

/** The outside world, which `main.ts` provides from the process. */
export interface ProcessIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether standard output is a terminal. */
  readonly isStdoutTerminal: boolean;
  /** Whether standard error is a terminal. */
  readonly isStderrTerminal: boolean;
  /** For commands that read or write bytes. */
  readonly stdin: () => Readable;
  readonly stdoutBytes: () => Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Memory of the machine or the container. */
  readonly memoryBytes: number;
  /** Cores that this process may use, within the quota of its container. */
  readonly cores: number;
  /** The operating system's name of the user who runs the command; the audit log contains it. */
  readonly user: string;
  /** For libraries that read the environment themselves, such as the SDK's managed identity. */
  readonly setEnv: (name: string, value: string) => void;
  /**
   * Runs the clean-up, which is synchronous, however the process exits. Returns a function that
   * cancels it.
   */
  readonly onExit: (cleanUp: () => void) => () => void;
  /** Starts a process with the same program and these arguments. */
  readonly startProcess: (args: readonly string[], env: Readonly<Record<string, string>>) => StartedProcess;
  /** The process that started this one, if it is one of several on a port. */
  readonly parent: ParentLink | undefined;
  /** Handles SIGHUP from now on, which otherwise stops the command. */
  readonly onHangUp: (listener: () => void) => void;
  /** Aborted on the first signal to stop: SIGINT, SIGTERM, SIGHUP or SIGQUIT. */
  readonly signal: AbortSignal;
  /** Aborted on the second signal: slow work is cut short. */
  readonly hurry: AbortSignal;
}

/** A command's access to the outside world. */
export interface CommandIo extends ProcessIo {
  /**
   * Says what the command does now. Standard error shows it if it is a terminal and nothing else
   * was printed for a second. An empty text says nothing.
   */
  readonly progress: (text: string) => void;
}

/** A process that this one started. Its output goes to the output of this process. */
export interface StartedProcess {
  readonly pid: number | undefined;
  /** Sends a message, unless the process has ended. */
  send(message: object): void;
  onMessage(listener: (message: unknown) => void): void;
  kill(): void;
  /** Resolves when the process has ended and all its messages have arrived. */
  readonly ended: Promise<ProcessEnd>;
}

export interface ProcessEnd {
  /** Null if a signal killed the process, or it could not be started. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** The link of a process to the one that started it. */
export interface ParentLink {
  /** The number of this process among those on the port, from 1. */
  readonly number: number;
  /** Resolves when the message was handed to the system, or cannot be. */
  send(message: object): Promise<void>;
  onMessage(listener: (message: unknown) => void): void;
  /** Calls the listener when the parent has ended, even if it has already. */
  onDisconnect(listener: () => void): void;
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

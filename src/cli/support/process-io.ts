import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, totalmem, userInfo } from 'node:os';
import process from 'node:process';
import type { ParentLink, ProcessEnd, ProcessIo, StartedProcess } from './command.ts';

/** Longest clean-up after the second signal. */
const HURRY_MS = 5_000;
const PARENT_POLL_MS = 500;

/**
 * Returns the access to this process: its streams, environment and signals. `main` is the
 * program, which further processes run too.
 */
export function openProcessIo(main: string): ProcessIo {
  const parent = openParentLink();
  const { signal, hurry, onHangUp } = listenToSignals(parent !== undefined);
  // A full disk or a closed pipe under our output must not stop the service.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  return {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    isStdoutTerminal: process.stdout.isTTY,
    isStderrTerminal: process.stderr.isTTY,
    stdin: () => process.stdin,
    stdoutBytes: () => process.stdout,
    env: process.env,
    cwd: process.cwd(),
    memoryBytes: Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()),
    cores: availableParallelism(),
    user: userName(),
    setEnv: (name, value) => {
      process.env[name] = value;
    },
    onExit: (cleanUp) => {
      process.on('exit', cleanUp);
      return () => process.off('exit', cleanUp);
    },
    startProcess: (args, env) => started(fork(main, [...args], { env: { ...process.env, ...env } })),
    parent,
    onHangUp,
    signal,
    hurry,
  };
}

/**
 * Handles signals. The first ends the work in order; the second ends it at once, without leaving
 * partial results. A process with a parent leaves all but SIGTERM to it: a terminal sends the others
 * to the whole group.
 */
function listenToSignals(hasParent: boolean): Pick<ProcessIo, 'signal' | 'hurry' | 'onHangUp'> {
  const stopping = new AbortController();
  const hurrying = new AbortController();
  let hangUp: (() => void) | undefined;
  const stop = () => {
    if (stopping.signal.aborted) {
      hurrying.abort();
      setTimeout(() => process.exit(130), HURRY_MS).unref();
    }
    stopping.abort();
  };
  process.on('SIGTERM', stop);
  for (const name of ['SIGINT', 'SIGQUIT'] as const) process.on(name, hasParent ? () => undefined : stop);
  process.on('SIGHUP', () => {
    if (hangUp) hangUp();
    else if (!hasParent) stop();
  });
  if (process.env['npm_lifecycle_event'] !== undefined && !hasParent) stopWithParent(stop);
  return {
    signal: stopping.signal,
    hurry: hurrying.signal,
    onHangUp: (listener) => {
      hangUp = listener;
    },
  };
}

/**
 * Stops when the parent does. A killed npm does not notify its script, whose parent process then
 * changes.
 */
function stopWithParent(stop: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, PARENT_POLL_MS).unref();
}

/** Returns the link to the process that started this one as one of several. */
function openParentLink(): ParentLink | undefined {
  const number = Number(process.env['VAULTSPAN_PROCESS']);
  if (process.send === undefined || !(number >= 1)) return undefined;
  return {
    number,
    send: (message) =>
      new Promise((resolve) => {
        if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
        else resolve();
      }),
    onMessage: (listener) => {
      process.on('message', listener);
    },
    onDisconnect: (listener) => {
      if (process.connected) process.once('disconnect', listener);
      else listener();
    },
  };
}

function started(child: ChildProcess): StartedProcess {
  const failed = once(child, 'error').then((): ProcessEnd => ({ code: null, signal: null }));
  // The channel closes once all messages were read, which may be after the exit.
  const exited = Promise.all([once(child, 'exit'), once(child, 'disconnect')]).then(
    ([[code, signal]]): ProcessEnd => ({ code, signal }),
  );
  return {
    pid: child.pid,
    send: (message) => {
      if (child.connected) child.send(message, () => undefined); // a process that has just ended takes none
    },
    onMessage: (listener) => {
      child.on('message', listener);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
    ended: Promise.race([exited, failed]),
  };
}

/** Returns the user's name. Containers may run under a number without a user. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';

const children = new Set<ChildProcess>();
// No child process outlives us, however we end.
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts a child process that sends a message once it is ready. */
export async function startChild<Hello>(file: string, args: readonly string[]): Promise<[ChildProcess, Hello]> {
  const child = fork(join(import.meta.dirname, file), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return [child, await answerOf<Hello>(child)];
}

/**
 * Returns its next message.
 * @throws Error when it ends instead
 */
export async function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  const answered = new AbortController();
  const { signal } = answered;
  const failed = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${child.spawnargs.at(-1)} ended with ${String(code)}`);
  });
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal }), failed])) as [Answer];
    return message;
  } finally {
    answered.abort();
    failed.catch(() => undefined);
  }
}

export async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

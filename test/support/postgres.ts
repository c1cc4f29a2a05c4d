import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';

const SCRIPT = join(import.meta.dirname, '..', '..', 'scripts', 'postgres.sh');

/**
 * Prints the address, then runs until our end of the pipe is closed, which happens even when we are
 * killed.
 */
const COMMAND = ['sh', '-c', 'echo "$TEST_DATABASE_URL"; cat >/dev/null'];

/**
 * Jest's globalSetup: starts a PostgreSQL for this run, unless there is one already. If none can be
 * started, the tests that need it fail and report it; the others run.
 */
export default async function startPostgres(): Promise<void> {
  if (process.env['TEST_DATABASE_URL']) return;
  const server = spawn(SCRIPT, COMMAND, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const said = text(server.stderr);
  const url = await firstLine(server);
  if (url !== undefined) {
    process.env['TEST_DATABASE_URL'] = url;
    letGo(server);
    return;
  }
  process.stderr.write(`No PostgreSQL for the tests: ${await said}\n`);
}

async function firstLine({ stdout }: ChildProcess): Promise<string | undefined> {
  if (!stdout) return undefined;
  const [chunk] = (await Promise.race([once(stdout, 'data'), once(stdout, 'end')])) as [Buffer?];
  return chunk?.toString().trim();
}

/** Lets this process end before the server. */
function letGo(server: ChildProcess): void {
  server.unref();
  for (const pipe of server.stdio) (pipe as { unref?: () => void } | null)?.unref?.();
}

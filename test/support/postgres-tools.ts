import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Returns the path of a program: Debian keeps the newest version's programs off the PATH. */
function programOf(name: string): string {
  const found = globSync(join('/usr/lib/postgresql/*/bin', name)).sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  return found.findLast((path) => existsSync(path)) ?? name;
}

/** Writes a backup of a database in the custom format. */
export const dump = (url: string, file: string) => run(programOf('pg_dump'), ['-Fc', '-f', file, '-d', url]);

/**
 * Restores a database from a backup. It is emptied first: `pg_restore --clean` cannot drop the
 * partitions of a table.
 */
export async function restore(url: string, file: string): Promise<void> {
  await run(programOf('psql'), ['-q', '-d', url, '-c', 'drop schema public cascade; create schema public']);
  await run(programOf('pg_restore'), ['--no-owner', '-d', url, file]);
}

import { DatabaseTrouble } from '../errors.ts';

/** Returns the unusable host and the reason, without the driver's text. */
export function postgresTrouble({ host, port }: { readonly host: string; readonly port: number }, cause: unknown) {
  const code = codeOf(cause);
  return new DatabaseTrouble(`${host}:${port} ${postgresProblem(code, Error.isError(cause) ? cause.message : '')}`, {
    code,
    cause,
  });
}

/** Returns the unusable file and the reason. */
export function sqliteTrouble(file: string, cause: unknown, resultCode: number): DatabaseTrouble {
  const code = codeOf(cause);
  const problem = SQLITE_PROBLEMS[resultCode] ?? `fails (${resultCode === 0 ? code : `SQLite's code ${resultCode}`})`;
  return new DatabaseTrouble(`${file} ${problem}`, { code, cause });
}

function postgresProblem(code: string, message: string): string {
  if (code === '08P01') return 'rejects a connection parameter (08P01), as a pooler does';
  if (code.startsWith('53')) return `has no connection or resource left (${code})`;
  if (/^[0-9A-Z]{5}$/.test(code)) return `refuses to serve (${code})`;
  if (code === 'ECONNREFUSED') return 'is not listening (ECONNREFUSED)';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `cannot be found (${code})`;
  if (/timeout/i.test(message)) return 'does not answer in time';
  return `is unreachable (${code === '' ? 'the connection ended' : code})`;
}

const SQLITE_PROBLEMS: Readonly<Record<number, string>> = {
  5: 'is locked by another process (SQLITE_BUSY)',
  11: 'is damaged (SQLITE_CORRUPT): restore a backup',
  13: 'has no room left on its disk (SQLITE_FULL)',
};

/**
 * Returns the error's code. Connections to several addresses of one host fail together, in one
 * error.
 */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return Error.isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

import { ConfigError } from '../config/load-config.ts';
import type { Config } from '../config/resolved.ts';
import { SchemaError } from '../database/migrations/migrations.ts';
import { parsePostgresUrl } from '../lib/postgres-url.ts';

/** An error of the system, of PostgreSQL or of SQLite, as far as it can be identified. */
interface ForeignError extends Error {
  readonly code?: unknown;
  readonly errcode?: unknown;
  readonly syscall?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
}

/**
 * Returns the result of opening a part. A failure because of a setting is thrown as a ConfigError
 * that names the setting; other errors are thrown unchanged.
 */
export async function namingSettings<T>(
  run: () => Promise<T>,
  mistakeOf: (error: ForeignError) => string | undefined,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    for (const cause of chainOf(error)) {
      const mistake = mistakeOf(cause);
      if (mistake !== undefined)
        throw new ConfigError('A setting of the configuration cannot be used', [mistake], { cause });
    }
    throw error;
  }
}

const MAX_CAUSES = 5;

function chainOf(error: unknown): ForeignError[] {
  const chain: ForeignError[] = [];
  for (let next = error; Error.isError(next) && chain.length < MAX_CAUSES; next = next.cause) chain.push(next);
  return chain;
}

/** Returns the problem of the database's settings, or undefined for any other failure. */
export const databaseMistake =
  ({ database: { sqlite, postgres } }: Pick<Config, 'database'>) =>
  (error: ForeignError): string | undefined => {
    if (error instanceof SchemaError) return `${postgres ? 'database.url' : 'database.file'}: ${error.message}`;
    return postgres ? postgresMistake(error, postgres.url) : sqliteMistake(error, sqlite.file);
  };

const UNTRUSTED: ReadonlySet<unknown> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function postgresMistake({ code, message }: ForeignError, url: string): string | undefined {
  const { user, host, port, database } = parsePostgresUrl(url);
  const at = `${host}:${port}`;
  if (code === '28P01') return `database.url: ${at} rejects the password of user ${user}: correct the password`;
  if (code === '28000') return `database.url: ${at} refuses user ${user}: check the role and pg_hba.conf`;
  if (code === '3D000') return `database.url: ${at} has no database ${database}: create it, or use another`;
  if (code === '08P01') {
    return `database.url: ${at} rejects a connection parameter, as a pooler does: remove options from the URL, and set the server itself in database.directUrl`;
  }
  if (code === '42501')
    return `database.url: user ${user} lacks a privilege in ${database}: grant it, or migrate as the owner`;
  if (UNTRUSTED.has(code)) {
    return `database.caFile: the certificate of ${at} is not trusted (${String(code)}): set this to its authority's PEM file`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `database.url: the certificate of ${at} is for another name: use the host name in the certificate`;
  }
  if (code === 'CERT_HAS_EXPIRED') return `database.url: the certificate of ${at} has expired: renew it on the server`;
  if (message === 'The server does not support SSL connections') {
    return `database.tls: ${at} does not support TLS: enable it there, or set "off" on a network that you trust`;
  }
  if (code === 'ENOTFOUND') return `database.url: host ${host} does not exist: correct the name`;
  return undefined;
}

const SQLITE: Readonly<Record<number, string>> = {
  8: 'is read-only: make the file and its folder writable',
  14: 'cannot be opened: check that its folder exists and is writable, and that it is a file',
  26: 'is not an SQLite database: use another file',
};

/** Codes: https://www.sqlite.org/rescode.html */
function sqliteMistake(error: ForeignError, file: string): string | undefined {
  const problem = typeof error.errcode === 'number' ? SQLITE[error.errcode & 0xff] : fileProblem(error);
  return problem === undefined ? undefined : `database.file: ${file} ${problem}`;
}

const FILES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist: correct the path',
  ENOTDIR: 'is below a file: correct the path',
  EEXIST: 'is below a file: correct the path',
  EISDIR: 'is a folder: use a file',
  EACCES: 'is not accessible to this user: change its owner or its mode',
  EPERM: 'is not accessible to this user: change its owner or its mode',
  EROFS: 'is on a read-only file system: use a writable folder',
  ENAMETOOLONG: 'has a name that is too long: shorten it',
};

const fileProblem = ({ code, syscall }: ForeignError): string | undefined =>
  typeof code === 'string' && typeof syscall === 'string' ? FILES[code] : undefined;

/** Returns the problem of a setting that names a file or a folder, or undefined. */
export const fileMistake =
  (setting: string, path: string) =>
  (error: ForeignError): string | undefined => {
    const problem = fileProblem(error);
    return problem === undefined ? undefined : `${setting}: ${path} ${problem}`;
  };

/** Returns the problem of the address to listen on, or undefined. */
export const addressMistake =
  (section: 'http' | 'metrics', { host, port }: { readonly host: string; readonly port: number }) =>
  ({ code, syscall }: ForeignError): string | undefined => {
    if (syscall !== 'listen' && syscall !== 'getaddrinfo') return undefined;
    if (code === 'EADDRINUSE') {
      return `${section}.port: ${host}:${port} is in use: stop the other process, or choose another port`;
    }
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      return `${section}.host: this machine has no address ${host}: use one of its addresses, or 0.0.0.0 for all`;
    }
    if (code === 'ENOTSUP') {
      return `${section}.processes: this platform cannot share a port among processes, as Linux can: set 1, without ${section}.reusePort`;
    }
    if (code === 'EACCES') return `${section}.port: this user may not listen on ${port}: choose a port above 1023`;
    return undefined;
  };

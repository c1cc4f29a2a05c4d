import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type ClientConfig, types } from 'pg';
import { defined } from '../lib/defined.ts';
import { type PostgresUrl, parsePostgresUrl } from '../lib/postgres-url.ts';

export interface PostgresOptions {
  /** `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`; a socket's folder as `?host=`. */
  readonly url: string;
  /**
   * Called for each new connection, so that it may return a token that expires; it overrides the
   * URL's.
   */
  readonly password?: () => Promise<string>;
  /** For notifications when `url` is a pooler's, which does not pass them on. */
  readonly directUrl?: string;
  readonly tls?: PostgresTls;
  /** Most connections of the pool. */
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  /** Longest run of one statement; 0: no limit, for migrations. */
  readonly statementTimeoutMs?: number;
}

export interface PostgresTls {
  /**
   * `require` encrypts and trusts any certificate; `verify-full` checks the certificate and the
   * host's name.
   */
  readonly mode: 'off' | 'require' | 'verify-full';
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly caFile?: string;
}

const TLS_MODES: Readonly<Record<NonNullable<PostgresUrl['sslmode']>, PostgresTls['mode']>> = {
  disable: 'off',
  require: 'require',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
};
const INT8 = 20;
const KEEP_ALIVE_DELAY_MS = 10_000;
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
export const DEFAULT_STATEMENT_TIMEOUT_MS = 5_000;

/**
 * Returns pg's configuration for one of the two URLs. pg could read the URL itself, but then the
 * URL's absent password would override the function's, and its `sslmode` would override `tls`.
 * @throws Error with the problem of the URL, never its password
 */
export async function connectionOf(options: PostgresOptions, url: string): Promise<ClientConfig> {
  const parsed = parsePostgresUrl(url);
  const { host, port, user, database } = parsed;
  const connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS;
  return {
    host,
    port,
    user,
    database,
    password: options.password ?? parsed.password,
    ...defined({ options: parsed.options }),
    ssl: await tlsOf(host, options.tls ?? urlTls(parsed)),
    application_name: parsed.applicationName ?? 'vaultspan',
    connectionTimeoutMillis: connectTimeoutMs,
    // Ends the wait when the network drops every packet. It is a little longer than the server's
    // own limit, which leaves the connection usable.
    ...(statementTimeoutMs > 0 && { query_timeout: statementTimeoutMs + 1_000 }),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : types.getTypeParser(oid, format)) }, // milliseconds and counts: below 2^53
  };
}

/** Returns the default: the server is verified, unless it is this machine. */
function urlTls({ host, sslmode }: PostgresUrl): PostgresTls {
  if (sslmode === undefined) return { mode: isLocal(host) ? 'off' : 'verify-full' };
  return { mode: TLS_MODES[sslmode] };
}

const isLocal = (host: string): boolean => host.startsWith('/') || ['localhost', '127.0.0.1', '::1'].includes(host);

async function tlsOf(host: string, { mode, caFile }: PostgresTls): Promise<NonNullable<ClientConfig['ssl']>> {
  if (mode === 'off') return false;
  const ca = caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') };
  // pg passes the host to Node's certificate check only when it is not an address.
  return { ...ca, rejectUnauthorized: mode === 'verify-full', ...(isIP(host) > 0 && { host }) };
}

import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type ClientConfig, types } from 'pg';
import { defined } from '../lib/defined.ts';

export interface PostgresOptions {
  /** `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`; a socket's folder as `?host=`. */
  readonly url: string;
  /** Asked for each new connection, so that it may be a token that expires; goes over the URL's. */
  readonly password?: () => Promise<string>;
  /** For notifications, where `url` is that of a pooler, through which they don't come. */
  readonly directUrl?: string;
  readonly tls?: PostgresTls;
  /** Most connections of the pool. */
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  /** Longest run of one statement; 0: no limit, for migrations. */
  readonly statementTimeoutMs?: number;
}

export interface PostgresTls {
  /** `require` encrypts and trusts any certificate; `verify-full` checks it and the host's name. */
  readonly mode: 'off' | 'require' | 'verify-full';
  /** Authorities to trust instead of the system's, PEM. */
  readonly caFile?: string;
}

const SSL_MODES: Readonly<Record<string, PostgresTls['mode']>> = {
  disable: 'off',
  require: 'require',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
};
const PARAMETERS = ['host', 'sslmode', 'application_name', 'options'];
const INT8 = 20;
const KEEP_ALIVE_DELAY_MS = 10_000;
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const DEFAULT_STATEMENT_TIMEOUT_MS = 5_000;

/**
 * What pg takes for one of the two URLs. pg could read the URL itself, but then the URL's absent password would go over the function's,
 * and its `sslmode` over `tls`.
 *
 * @throws Error that names what is wrong with the URL, never its password
 */
export async function connectionOf(options: PostgresOptions, url: string): Promise<ClientConfig> {
  const { host, parameters, ...named } = parseUrl(url);
  const connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS;
  const startOptions = parameters.get('options') ?? undefined;
  return {
    ...named,
    host,
    ...defined({ password: options.password, options: startOptions }),
    ssl: await tlsOf(host, options.tls ?? urlTls(host, parameters.get('sslmode'))),
    application_name: parameters.get('application_name') ?? 'vaultspan',
    connectionTimeoutMillis: connectTimeoutMs,
    // Ends the wait where the network swallows everything; a little later than the server's own limit, which leaves the connection usable.
    ...(statementTimeoutMs > 0 && { query_timeout: statementTimeoutMs + 1_000 }),
    // PgBouncer refuses connections that set it.
    ...(statementTimeoutMs > 0 && options.directUrl === undefined && { statement_timeout: statementTimeoutMs }),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : types.getTypeParser(oid, format)) }, // milliseconds and counts: below 2^53
  };
}

function parseUrl(text: string) {
  // A URL's host can't be empty beside a user; libpq's can, when the parameter `host` names a socket's folder.
  const url = URL.parse(text.replace(/^([a-z]+:\/\/[^/?#]*@)(?=\/)/, '$1socket'));
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw new Error('The database URL is not of the form postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE');
  }
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) {
    throw new Error(`The database URL has the parameter ${unknown}; known are ${PARAMETERS.join(', ')}`);
  }
  return {
    host: url.searchParams.get('host') ?? url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
    parameters: url.searchParams,
  };
}

/** Verified by default, but on the machine itself. */
function urlTls(host: string, sslMode: string | null): PostgresTls {
  if (sslMode === null) return { mode: isLocal(host) ? 'off' : 'verify-full' };
  const mode = SSL_MODES[sslMode];
  if (!mode) throw new Error(`The database URL has sslmode=${sslMode}; known are ${Object.keys(SSL_MODES).join(', ')}`);
  return { mode };
}

const isLocal = (host: string): boolean => host.startsWith('/') || ['localhost', '127.0.0.1', '::1'].includes(host);

async function tlsOf(host: string, { mode, caFile }: PostgresTls): Promise<NonNullable<ClientConfig['ssl']>> {
  if (mode === 'off') return false;
  const ca = caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') };
  // pg names the host to Node's check of the certificate only when it isn't an address.
  return { ...ca, rejectUnauthorized: mode === 'verify-full', ...(isIP(host) > 0 && { host }) };
}

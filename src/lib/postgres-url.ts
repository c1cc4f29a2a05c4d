/** The parts of a PostgreSQL URL. */
export interface PostgresUrl {
  /** A host's name or address, or the folder of a socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly sslmode: SslMode | undefined;
  readonly applicationName: string | undefined;
  readonly options: string | undefined;
}

const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof SSL_MODES)[number];
const PARAMETERS = ['host', 'sslmode', 'application_name', 'options'];

/**
 * Returns the parts of `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`.
 * @throws Error that never quotes the password
 */
export function parsePostgresUrl(text: string): PostgresUrl {
  // A URL's host cannot be empty after a user; libpq's can, when the parameter `host` names a
  // socket's folder.
  const url = URL.parse(text.replace(/^([a-z]+:\/\/[^/?#]*@)(?=\/)/, '$1socket'));
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw new Error('must be of the form postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE');
  }
  const parameters = url.searchParams;
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined)
    throw new Error(`has the unknown parameter ${unknown}; supported are ${PARAMETERS.join(', ')}`);
  return {
    host: parameters.get('host') ?? url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 5432),
    user: decoded('user', url.username),
    password: decoded('password', url.password),
    database: decoded('database', url.pathname.slice(1)),
    sslmode: sslMode(parameters.get('sslmode') ?? undefined),
    applicationName: parameters.get('application_name') ?? undefined,
    options: parameters.get('options') ?? undefined,
  };
}

/** Returns the problem of the URL, or undefined. */
export function postgresUrlProblem(text: string): string | undefined {
  try {
    parsePostgresUrl(text);
    return undefined;
  } catch (error) {
    return Error.isError(error) ? error.message : '';
  }
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(`has a % in its ${part} that is not an escape: write it as %25`);
  }
}

function sslMode(text: string | undefined): SslMode | undefined {
  const mode = SSL_MODES.find((known) => known === text);
  if (text === undefined || mode !== undefined) return mode;
  const why = text === 'prefer' || text === 'allow' ? ', since it may send the password unencrypted' : '';
  throw new Error(`has sslmode=${text}, which is not supported${why}; use one of ${SSL_MODES.join(', ')}`);
}

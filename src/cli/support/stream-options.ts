import { ACCESS_HEADERS, type AccessClaim, encodeAccessClaim } from '../../callers/access-claims.ts';
import { ConfigError } from '../../config/load-config.ts';
import { ServiceError } from '../../errors.ts';
import { readArguments } from './arguments.ts';
import type { CommandIo } from './command.ts';

/** The target and the identity of a stream: the options that the commands for files share. */
export interface StreamTarget {
  /** Address of the service, without a trailing slash. */
  readonly url: string;
  readonly token: string;
  readonly tenant: string;
  readonly context: Readonly<Record<string, string>> | undefined;
  /** For whom and why, as headers. */
  readonly access: Readonly<Record<string, string>>;
  /** Longest time without a byte in either direction while only the service could move one. */
  readonly idleMs: number;
}

export const STREAM_OPTIONS = {
  tenant: { type: 'string' },
  context: { type: 'string', multiple: true, default: [] as string[] },
  'access-subject': { type: 'string' },
  'access-reason': { type: 'string' },
  'access-label': { type: 'string' },
  url: { type: 'string' },
  token: { type: 'string' },
  output: { type: 'string', short: 'o' },
  force: { type: 'boolean', default: false },
  timeout: { type: 'string', default: '60' }, // above each deadline of the service's own
} as const;

export const STREAM_OPTIONS_HELP = `
  --tenant ID           tenant of the key
  --context NAME=VALUE  one pair of the encryption context; may be repeated. decrypt-file needs the same pairs
  --access-subject TEXT, --access-reason TEXT, --access-label TEXT   for whom and why; the audit record has them
  -o, --output FILE     output; - for standard output
  --force               replace an existing file
  --url URL             of the service; else VAULTSPAN_URL
  --token TOKEN         of the caller; else VAULTSPAN_TOKEN, which other users of the machine cannot see
  --timeout SECONDS     longest time without a byte sent or taken by the service; default 60`;

const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

const isPlain = (url: string): boolean => {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !LOOPBACK.test(hostname);
};

/**
 * Returns the target.
 * @throws ConfigError
 */
export function streamTargetOf(
  values: { readonly [K in 'tenant' | 'url' | 'token' | AccessOption]?: string | undefined } & {
    readonly context: readonly string[];
    readonly timeout: string;
  },
  { env }: Pick<CommandIo, 'env'>,
): StreamTarget {
  const url = values.url ?? (env['VAULTSPAN_URL'] || undefined);
  const token = values.token ?? env['VAULTSPAN_TOKEN'];
  if (values.tenant === undefined) throw new ConfigError('Give the tenant with --tenant');
  if (url === undefined || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new ConfigError("Give the service's URL with --url or VAULTSPAN_URL, such as http://127.0.0.1:8080");
  }
  if (isPlain(url)) {
    throw new ConfigError(`${url} is plain HTTP to another machine, which would expose the token: use https://`);
  }
  if (token === undefined || token.trim() === '') {
    throw new ConfigError('Give a token with VAULTSPAN_TOKEN or --token, for example from vaultspan token');
  }
  return {
    url: url.replace(/\/+$/, ''),
    token: token.trim(),
    tenant: values.tenant,
    context: contextOf(values.context),
    access: accessHeadersOf(values),
    idleMs: idleMsOf(values.timeout),
  };
}

type AccessOption = `access-${AccessClaim}`;

function accessHeadersOf(values: { readonly [K in AccessOption]?: string | undefined }): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const claim of ['subject', 'reason', 'label'] as const) {
    const text = values[`access-${claim}`];
    if (text !== undefined) headers[ACCESS_HEADERS[claim]] = headerOf(claim, text);
  }
  return headers;
}

function headerOf(claim: AccessClaim, text: string): string {
  try {
    return encodeAccessClaim(claim, text);
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw new ConfigError(`--access-${claim} ${error.errors?.[0]?.detail}`);
  }
}

function idleMsOf(text: string): number {
  const seconds = Number(text);
  if (/^[0-9]{1,4}$/.test(text) && seconds > 0) return seconds * 1_000;
  throw new ConfigError(`--timeout is a number of seconds between 1 and 9999, not ${text}`);
}

function contextOf(pairs: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (pairs.length === 0) return undefined;
  const entries = pairs.map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) throw new ConfigError('--context must be NAME=VALUE');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  if (new Set(entries.map(([name]) => name)).size < entries.length) {
    throw new ConfigError('--context has the same name twice');
  }
  return Object.fromEntries(entries);
}

/**
 * Returns the one file in the arguments.
 * @throws ConfigError
 */
export function onlyFile(positionals: readonly string[]): string {
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new ConfigError('Give one file, or - for standard input');
  return file;
}

/** Returns the options of encrypt-file and decrypt-file. */
export const parseStreamArgs = (args: readonly string[]) =>
  readArguments(args, { ...STREAM_OPTIONS, key: { type: 'string' } });

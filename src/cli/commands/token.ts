import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';
import { ConfigError } from '../../config/load-config.ts';
import { type Bag, parseDocument } from '../../lib/parse-document.ts';
import { messageOf } from '../../lib/parse-input.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { trustCa } from '../support/emulated-azure.ts';

/** `dev` writes it; for callers of a real directory it is written by hand. */
export const CALLERS_FILE = '.vaultspan/callers.yaml';

/** Longest wait for the token endpoint. */
const DEADLINE_MS = 10_000;

const CallersFile = z.strictObject({
  tokenEndpoint: z.url({ protocol: /^https$/ }),
  caFile: z.string().optional(),
  callers: z.record(z.string(), z.strictObject({ clientId: z.string(), clientSecret: z.string(), scope: z.string() })),
});

export const token: Command = {
  name: 'token',
  summary: 'Print a token for calls to the service',
  help: `
Usage: vaultspan token [--as NAME] [--callers FILE]

Signs in as one of the callers in FILE (default ${CALLERS_FILE}, which vaultspan dev writes) with client credentials and prints the
access token. In dev, demo (default) has all roles, and reader may only decrypt.

  --as NAME        caller to sign in as; default demo
  --callers FILE   YAML: tokenEndpoint, caFile?, callers: {NAME: {clientId, clientSecret, scope}}`,
  async run(args, io) {
    const options = {
      as: { type: 'string', default: 'demo' },
      callers: { type: 'string', default: CALLERS_FILE },
    } as const;
    const { values, positionals } = readArguments(args, options);
    noArguments(positionals);
    const file = resolve(io.cwd, values.callers);
    const { tokenEndpoint, caFile, callers } = readCallers(file);
    const caller = Object.hasOwn(callers, values.as) ? callers[values.as] : undefined;
    if (!caller)
      throw new ConfigError(`Unknown caller ${values.as} in ${file}`, [`known: ${Object.keys(callers).join(', ')}`]);
    if (caFile !== undefined) trustCa(readFileSync(resolve(file, '..', caFile), 'utf8'));
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: caller.clientId,
      client_secret: caller.clientSecret,
      scope: caller.scope,
    });
    const answer = await signIn(tokenEndpoint, body, io.signal);
    if (typeof answer === 'string') {
      io.stderr(`${tokenEndpoint} ${answer}\n`);
      return 1;
    }
    if (answer.access_token === undefined) {
      io.stderr(`${tokenEndpoint} rejects caller ${values.as}: ${answer.error ?? 'without a reason'}\n`);
      return 1;
    }
    io.stdout(`${answer.access_token}\n`);
    return 0;
  },
};

const Answer = z.object({ access_token: z.string().optional(), error: z.string().optional() });

/** Returns the answer of RFC 6749 §5, or what came instead. */
async function signIn(
  endpoint: string,
  body: URLSearchParams,
  signal: AbortSignal,
): Promise<z.output<typeof Answer> | string> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  let status: number | undefined;
  try {
    const response = await fetch(endpoint, { method: 'POST', body, signal: AbortSignal.any([signal, deadline]) });
    status = response.status;
    return Answer.parse(await response.json());
  } catch (error) {
    if (deadline.aborted) return `did not answer within ${DEADLINE_MS / 1_000} s`;
    if (signal.aborted) return 'was not waited for: stopped';
    if (status !== undefined) return `is no token endpoint: it answered HTTP ${status} without JSON of OAuth`;
    const cause = Error.isError(error) && Error.isError(error.cause) ? error.cause : error;
    return `is not reachable${Error.isError(cause) && 'code' in cause ? ` (${String(cause.code)})` : ''}`;
  }
}

function readCallers(file: string): z.output<typeof CallersFile> {
  const parsed = CallersFile.safeParse(documentOf(file), { error: messageOf });
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    `Invalid callers file: ${file}`,
    parsed.error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`),
  );
}

function documentOf(file: string): Bag {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch {
    throw new ConfigError(`${file} does not exist: start vaultspan dev first, or give a file with --callers`);
  }
  try {
    return parseDocument(bytes, 'tokenEndpoint: https://…');
  } catch (error) {
    throw new ConfigError(`Invalid callers file: ${file}`, [Error.isError(error) ? error.message : '']);
  }
}

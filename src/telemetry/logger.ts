import { type Logger, pino } from 'pino';
import { defined } from '../lib/defined.ts';

export type { Logger };

/** Members that no log line has; if one ever does, their values are removed. */
const SECRETS = [
  'authorization',
  'assertion',
  'clientSecret',
  'encryptionContext',
  'password',
  'plaintext',
  'secret',
  'token',
  'value',
];

/**
 * Returns a logger of JSON lines, each passed to `write`. A message is a constant and everything
 * else a field; redaction is a safety net, not the plan. Of an error only its names and codes are
 * logged: the SDK's errors contain whole requests, with tokens and bodies. It does not use pino's
 * own destination, which retries a failing write synchronously: a full disk under the log would
 * stop the process. `base` is in every line.
 */
export function createLogger(
  level: string,
  write: (line: string) => void,
  base?: { readonly process: number },
): Logger {
  const options = {
    level,
    redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    serializers: { error: describeError },
    base: base ?? null,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return pino(options, { write });
}

/** Returns a silent logger, for commands that report their own progress. */
export const silentLogger = (): Logger => createLogger('silent', () => undefined);

const MAX_CAUSES = 4;

interface DescribedError {
  readonly name: string;
  readonly code?: string;
  readonly reason?: string;
  readonly status?: number;
  readonly stack?: string;
  readonly cause?: DescribedError;
}

function describeError(error: unknown, depth = 0): DescribedError {
  if (!Error.isError(error)) return { name: typeof error };
  return defined({
    ...codesOf(error),
    ...framesOf(error),
    cause: error.cause !== undefined && depth < MAX_CAUSES ? describeError(error.cause, depth + 1) : undefined,
  });
}

/**
 * Returns a text that is equal for errors of one cause: the names and codes of the error and of all
 * its causes. A fault of our own has no code, so its cause includes the place where it was thrown.
 */
export function causeOf(error: unknown): string {
  const causes: string[] = [];
  for (let at = error; at !== undefined && causes.length <= MAX_CAUSES; at = Error.isError(at) ? at.cause : undefined) {
    const { name, code, reason, status } = Error.isError(at) ? codesOf(at) : { name: typeof at };
    const place = code === undefined && Error.isError(at) ? framesOf(at).stack?.split(' | ')[0] : undefined;
    causes.push([name, code, reason, status, place].join(' '));
  }
  return causes.join(' < ');
}

function codesOf(error: Error): Pick<DescribedError, 'name' | 'code' | 'reason' | 'status'> {
  const { code, reason, statusCode, errorCode } = error as Error &
    Record<'code' | 'reason' | 'statusCode' | 'errorCode', unknown>;
  return defined({
    name: error.name,
    code: [code, errorCode].find((value) => typeof value === 'string'),
    reason: typeof reason === 'string' ? reason : undefined,
    status: typeof statusCode === 'number' ? statusCode : undefined,
  });
}

/** Returns the stack frames without the message, which may quote the data that it failed on. */
function framesOf(error: Error): { readonly stack?: string } {
  const frames = error.stack?.split('\n').filter((line) => line.startsWith('    at '));
  return frames?.length
    ? {
        stack: frames
          .slice(0, 8)
          .map((line) => line.trim())
          .join(' | '),
      }
    : {};
}

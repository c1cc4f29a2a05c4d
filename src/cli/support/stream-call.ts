import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { type ErrorCode, ServiceError } from '../../errors.ts';
import { problemTable } from '../../http/answers/problem-table.ts';
import { defined } from '../../lib/defined.ts';
import type { StreamTarget } from './stream-options.ts';

/** Longest wait for `100 Continue`, which some proxies never send. */
const CONTINUE_MS = 1_000;
const MAX_ANSWER_BYTES = 65_536;

/** The transfer ended early, for the reason in the message. */
export class CutError extends Error {
  override readonly name = 'CutError';
}

/**
 * Sends a body and writes the answer to `sink` at the same time. Resolves once the whole answer is
 * written.
 * @throws ServiceError for a refusal by the service; CutError
 */
export async function callStream(
  target: StreamTarget,
  path: string,
  body: AsyncIterable<Uint8Array>,
  sink: Writable,
  stop: AbortSignal,
): Promise<void> {
  const { context } = target;
  const headers = defined({
    'Content-Type': 'application/octet-stream',
    Expect: '100-continue', // a refusal comes before the body is sent
    'Encryption-Context': context && Buffer.from(JSON.stringify(context)).toString('base64url'),
  });
  let isReading = false;
  // A slow source or a slow reader of the output is no fault of the service.
  const isIdle = () => !isReading && !sink.writableNeedDrain;
  const { req, signal } = post(target, path, stop, headers, isIdle);
  let localFailure: Error | undefined;
  sink.once('error', (error) => {
    if (isOfFile(error)) localFailure ??= error;
  });
  const send = async () => {
    await Promise.race([once(req, 'continue', { signal }), sleep(CONTINUE_MS, undefined, { ref: false })]);
    if (!req.destroyed) await pipeline(keepingFailure(body), req);
  };
  async function* keepingFailure(source: AsyncIterable<Uint8Array>) {
    try {
      isReading = true;
      for await (const piece of source) {
        isReading = false;
        yield piece;
        isReading = true;
      }
      isReading = false;
    } catch (error) {
      localFailure = Error.isError(error) ? error : undefined;
      throw error;
    }
  }
  const sending = send();
  sending.catch(() => req.destroy()); // the answer shows the result
  try {
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    if (res.statusCode !== 200) throw await refusalOf(res);
    await pipeline(res, sink);
    await sending;
  } catch (error) {
    if (error instanceof ServiceError || error instanceof CutError) throw error;
    if (localFailure) throw localError(localFailure);
    throw cutError(target, error, signal, path === '/streams/decrypt');
  } finally {
    req.destroy();
  }
}

/**
 * Posts JSON and returns the answer's JSON.
 * @throws ServiceError, CutError
 */
export async function callJson(target: StreamTarget, path: string, body: object, stop: AbortSignal): Promise<unknown> {
  const { req, signal } = post(target, path, stop, { 'Content-Type': 'application/json' });
  try {
    req.end(JSON.stringify(body));
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    if (res.statusCode !== 200) throw await refusalOf(res);
    return JSON.parse(await textOf(res)) as unknown;
  } catch (error) {
    if (error instanceof ServiceError || error instanceof CutError) throw error;
    throw cutError(target, error, signal);
  }
}

/**
 * Returns a request, and a signal that ends it: by `stop`, or with a CutError if the service moves
 * no byte for too long.
 */
function post(
  target: StreamTarget,
  path: string,
  stop: AbortSignal,
  headers: OutgoingHttpHeaders,
  isIdle: () => boolean = () => true,
): { readonly req: ClientRequest; readonly signal: AbortSignal } {
  const { idleMs } = target;
  const url = `${target.url}/tenants/${encodeURIComponent(target.tenant)}${path}`;
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  const idle = new AbortController();
  const signal = AbortSignal.any([stop, idle.signal]);
  const req = request(url, {
    method: 'POST',
    signal,
    timeout: idleMs,
    headers: { Authorization: `Bearer ${target.token}`, ...target.access, ...headers },
  });
  req.on('timeout', () => {
    if (isIdle()) idle.abort(new CutError(`${target.url} sent and took nothing for ${idleMs / 1_000} s`));
    else req.socket?.setTimeout(idleMs); // once more: the event comes once after each byte that moved
  });
  req.on('error', () => undefined); // the caller awaits the answer and gets the error there
  return { req, signal };
}

const Refusal = z.object({
  code: z.string(),
  detail: z.string(),
  reason: z.string().optional(),
  fix: z
    .object({
      owner: z.enum(['vendor', 'customer-admin', 'resource-owner']),
      action: z.string(),
      command: z.string().exactOptional(),
    })
    .optional(),
});

/** Returns the problem in the service's answer, or an error if another server answered. */
async function refusalOf(res: IncomingMessage): Promise<Error> {
  const problem = Refusal.safeParse(jsonOf(await textOf(res)));
  if (!problem.success) return new CutError(`The response is not from this service: HTTP ${res.statusCode}`);
  const { code, detail, reason, fix } = problem.data;
  if (!isErrorCode(code)) return new CutError(`${detail} (${code})`);
  return new ServiceError(code, detail, defined({ reason, fix }));
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(problemTable, code);

async function textOf(res: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of res.setEncoding('utf8')) {
    text += piece as string;
    if (text.length > MAX_ANSWER_BYTES) throw new CutError('The response is larger than any response of the service');
  }
  return text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Returns a fault of this machine, such as a full disk, which must not be blamed on the service.
 */
const localError = (error: Error): Error =>
  'syscall' in error ? new CutError(error.message, { cause: error }) : error;

/**
 * Returns whether the write of a file or of standard output failed, as opposed to a connection's
 * end, which ends the sink too.
 */
const isOfFile = (error: Error): boolean =>
  'syscall' in error && 'code' in error && !String(error.code).startsWith('ECONN');

const UNREACHABLE = new Set([' (ECONNREFUSED)', ' (ENOTFOUND)', ' (EAI_AGAIN)', ' (EHOSTUNREACH)', ' (ENETUNREACH)']);

/** The service can only cut the answer to a message that turns out wrong after its first segment. */
function cutError({ url }: StreamTarget, cause: unknown, { reason }: AbortSignal, isOpening = false): CutError {
  if (reason instanceof CutError) return reason;
  const code = codeOf(cause);
  if (UNREACHABLE.has(code)) return new CutError(`No service listens at ${url}${code}: check --url`, { cause });
  const others = isOpening ? ': the message was altered or is incomplete, or the connection failed' : '';
  return new CutError(`The response of ${url} was truncated${code}${others}`, { cause });
}

const codeOf = (error: unknown): string =>
  Error.isError(error) && 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';

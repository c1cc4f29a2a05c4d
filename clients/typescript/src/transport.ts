import { type Access, accessHeaders } from './access.ts';
import { unexpectedAnswer } from './answers.ts';
import { untilAborted } from './deadline.ts';
import { isProblem, problemError, VaultspanError } from './errors.ts';
import { type RequestSpan, startSpan } from './telemetry.ts';
import type { Tokens } from './token.ts';

/** What a request is made with. */
export interface TransportParts {
  /** Base address of the service, ending in a slash. */
  readonly url: URL;
  readonly tokens: Tokens;
  readonly fetch: typeof globalThis.fetch;
}

/** One request of a tenant's operation. */
export interface Call {
  readonly tenantId: string;
  /** Path below the tenant, such as `encrypt` or `batch/decrypt`. */
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly body?: unknown;
  readonly items?: number;
  readonly access?: Access | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Sends requests to one service. */
export interface Transport {
  /**
   * Returns the answer's JSON.
   * @throws VaultspanError what the service answered, or `unreachable`
   */
  json<T>(call: Call): Promise<T>;
  /** Returns an answer whose body the caller reads. */
  stream(call: Call & { readonly body: ReadableStream<Uint8Array> }): Promise<Response>;
}

/** How many requests are open at once; more wait for their turn. */
const MAX_OPEN = 16;

export function openTransport(parts: TransportParts): Transport {
  const slot = slots(MAX_OPEN);
  return {
    json: (call) =>
      slot(async () => {
        const answer = await ask(parts, call, JSON.stringify(call.body), 'application/json');
        return (await readJson(answer, call.signal)) as never;
      }),
    // A stream may last hours: it takes no turn of the short requests.
    stream: (call) => ask(parts, call, call.body, 'application/octet-stream'),
  };
}

/** Sends a request, and once more with a new token where the service refuses the first one. */
async function ask(parts: TransportParts, call: Call, body: string | ReadableStream | undefined, type: string) {
  const token = await untilAborted(parts.tokens.get(), call.signal);
  const answer = await send(parts, call, body, type, token);
  if (answer.status !== 401 || typeof body === 'object' || !parts.tokens.refused(token)) return whole(answer, call);
  await answer.body?.cancel();
  return whole(await send(parts, call, body, type, await untilAborted(parts.tokens.get(), call.signal)), call);
}

async function send(
  { url, fetch }: TransportParts,
  call: Call,
  body: string | ReadableStream | undefined,
  type: string,
  token: string,
): Promise<Response> {
  const access = accessHeaders(call.access);
  const span = await startSpan(call.path, call.tenantId, call.items ?? 1);
  try {
    const answer = await fetch(new URL(`tenants/${encodeURIComponent(call.tenantId)}/${call.path}`, url), {
      method: call.method ?? 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'Content-Type': type }),
        ...access,
        ...span.headers,
        ...call.headers,
      },
      ...(body === undefined ? {} : { body }),
      // Streams are read while they are sent. The type of `duplex` is missing in the DOM library.
      ...(typeof body === 'object' ? { duplex: 'half' } : {}),
      // To follow a redirect would send the token and the plaintext to another address.
      redirect: 'manual',
      signal: call.signal,
    } as RequestInit);
    span.end(answer.status, answer.ok ? undefined : `HTTP ${answer.status}`);
    return answer;
  } catch (error) {
    throw noAnswer(error, call.signal, span, url);
  }
}

/** @throws VaultspanError the problem of an answer that is none of success */
async function whole(answer: Response, call: Call): Promise<Response> {
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => undefined);
  call.signal.throwIfAborted();
  const retryAfterMs = readRetryAfter(answer.headers.get('Retry-After'));
  if (isProblem(problem)) throw problemError(problem, retryAfterMs);
  const isRetryable = answer.status === 429 || answer.status === 503;
  throw unexpectedAnswer('it has no problem of the service', answer.status, { isRetryable, retryAfterMs });
}

async function readJson(answer: Response, signal: AbortSignal): Promise<unknown> {
  if (answer.status === 204) return undefined;
  try {
    return await answer.json();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SyntaxError) throw unexpectedAnswer('the answer is no JSON', answer.status);
    throw unreachable(error);
  }
}

function noAnswer(error: unknown, signal: AbortSignal, span: RequestSpan, url: URL): unknown {
  span.end(undefined, signal.aborted ? 'aborted' : 'unreachable');
  return signal.aborted ? signal.reason : unreachable(error, url.origin);
}

/** An operation on data changes nothing that is stored, so it is safe to send again. */
export function unreachable(cause: unknown, origin = 'the service'): VaultspanError {
  return new VaultspanError({
    code: 'unreachable',
    message: `unreachable: ${origin} gave no whole answer: ${reasonOf(cause)}. Is the service running, and the url right?`,
    isRetryable: true,
    cause,
  });
}

/** Node's fetch says only "fetch failed"; the cause has the code. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? cause.code : error.message;
}

/** Returns milliseconds of delta-seconds (RFC 9110 §10.2.3); the service sends no dates. */
function readRetryAfter(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

/** Returns a function that runs at most `max` works at once, the others in the order of their arrival. */
function slots(max: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: Array<() => void> = [];
  let free = max;
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

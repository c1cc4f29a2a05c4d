import type * as z from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { withinDeadline } from '../deadline.ts';

export interface GraphClientOptions {
  /** `https://HOST[:PORT]`, without a trailing slash. */
  readonly endpoint: string;
  readonly token: string;
  /** Graph writes it into the customer's activity log. */
  readonly requestId: string;
  /** For all calls of the client together. */
  readonly deadlineMs: number;
  readonly clock: Clock;
}

const MAX_ANSWER_BYTES = 1024 * 1024; // a page of 999 ids has about 50 KB
const MAX_RETRY_AFTER_SECONDS = 3_600;
const GRAPH_CODE = /^[A-Za-z][\w.-]{0,99}$/;

/**
 * No usable answer. Only a status and a code are kept: Graph's texts and the directory's contents
 * stay out of our logs.
 */
export class GraphFailure extends Error {
  override readonly name = 'GraphFailure';
  /** Undefined without an answer, or for an answer that is not Graph's. */
  readonly status: number | undefined;
  readonly code: string;
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(code: string, status?: number, retryAfter?: number) {
    super(code);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export const unexpectedAnswer = (): GraphFailure => new GraphFailure('unexpected-answer');

/**
 * Reads Graph with one token. It calls only the configured endpoint, whatever an answer names.
 * Every method throws GraphFailure.
 */
export class GraphClient {
  readonly #options: GraphClientOptions;
  readonly #until: number;

  constructor(options: GraphClientOptions) {
    this.#options = options;
    this.#until = options.clock.monotonicMs() + options.deadlineMs;
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const leftMs = Math.max(1, Math.ceil(this.#until - this.#options.clock.monotonicMs()));
    try {
      return await withinDeadline(leftMs, (signal) => this.#fetch(path, headers, signal), isWorthRetry);
    } catch (error) {
      if (error instanceof GraphFailure) throw error;
      const isTimeout = Error.isError(error) && (error.name === 'TimeoutError' || error.name === 'DeadlineError');
      throw new GraphFailure(isTimeout ? 'timeout' : 'unreachable');
    }
  }

  async getJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const answer = schema.safeParse(json(await this.get(path)));
    if (answer.success) return answer.data;
    throw unexpectedAnswer();
  }

  /**
   * Returns the path of a link in an answer, for a request to the endpoint; a link to another host
   * is refused.
   */
  pathOf(link: string): string {
    const url = URL.parse(link);
    if (url?.origin === new URL(this.#options.endpoint).origin) return `${url.pathname}${url.search}`;
    throw unexpectedAnswer();
  }

  /**
   * Returns Graph's answer. It uses Node's fetch: Graph needs nothing of the SDK's pipeline, and
   * retries, redirects and sizes are bounded here.
   */
  async #fetch(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<string> {
    const { endpoint, token, requestId } = this.#options;
    const response = await fetch(`${endpoint}${path}`, {
      headers: { ...headers, authorization: `Bearer ${token}`, 'client-request-id': requestId },
      redirect: 'error',
      signal,
    });
    const text = await boundedText(response);
    if (response.status === 200) return text;
    throw new GraphFailure(codeIn(text), response.status, retryAfterOf(response));
  }
}

/**
 * Returns whether to retry. Reading is safe to repeat after no answer or a 5xx; a throttling Graph
 * is not called again.
 */
const isWorthRetry = (error: unknown): boolean => !(error instanceof GraphFailure) || (error.status ?? 0) >= 500;

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new GraphFailure('answer-too-large'); // leaving the loop cancels the body
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks)); // drops the BOM that Graph puts before some counts
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Returns `error.code` of Graph's error body (https://learn.microsoft.com/graph/errors), if it has
 * the form of one.
 */
function codeIn(text: string): string {
  const body = json(text) as { readonly error?: { readonly code?: unknown } } | null | undefined;
  const code = body?.error?.code;
  return typeof code === 'string' && GRAPH_CODE.test(code) ? code : 'unexpected-answer';
}

function retryAfterOf({ headers }: Response): number | undefined {
  const text = headers.get('retry-after') ?? '';
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), MAX_RETRY_AFTER_SECONDS) : undefined;
}

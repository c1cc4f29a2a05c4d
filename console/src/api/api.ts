import { SignInExpired } from '../app/sign-in-expired.ts';
import { ApiError, problemOf, Unreachable } from './api-error.ts';

const TIMEOUT_MS = 60_000;

interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** The revision that a change is based on. */
  readonly revision?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** For the whole answer. Absent: a minute. */
  readonly timeoutMs?: number;
}

export interface Api {
  /** Returns the JSON of the answer. Rejects with ApiError, Unreachable or SignInExpired. */
  json<Answer>(path: string, call?: Call): Promise<Answer>;
  /** Returns the answer itself, for downloads. */
  raw(path: string, call?: Call): Promise<Response>;
}

/**
 * Returns calls of this service's API, each with a token that is valid now. `onExpired` is called
 * when there is none, or the service refuses it.
 */
export function createApi(token: () => Promise<string>, onExpired: () => void): Api {
  async function attempt(path: string, call: Call): Promise<Response> {
    const response = await send(path, call, await token());
    if (response.ok) return response;
    const problem = await problemOf(response);
    throw problem.status === 401 ? new SignInExpired(problem.detail) : new ApiError(problem);
  }
  async function raw(path: string, call: Call = {}): Promise<Response> {
    try {
      return await attempt(path, call);
    } catch (error) {
      if (error instanceof SignInExpired) onExpired();
      throw error;
    }
  }
  return {
    raw,
    async json<Answer>(path: string, call?: Call): Promise<Answer> {
      const response = await raw(path, call);
      return (response.status === 204 ? undefined : await response.json()) as Answer;
    },
  };
}

async function send(path: string, call: Call, token: string): Promise<Response> {
  const headers = new Headers({
    ...call.headers,
    Authorization: `Bearer ${token}`,
    Accept: call.accept ?? 'application/json',
  });
  if (call.body !== undefined) headers.set('Content-Type', call.contentType ?? 'application/json');
  if (call.revision !== undefined) headers.set('If-Match', `"${call.revision}"`);
  const timeout = AbortSignal.timeout(call.timeoutMs ?? TIMEOUT_MS);
  try {
    return await fetch(urlOf(path, call), {
      method: call.method ?? 'GET',
      headers,
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: call.signal ? AbortSignal.any([call.signal, timeout]) : timeout,
      cache: 'no-store',
      credentials: 'omit',
    });
  } catch (error) {
    if (call.signal?.aborted) throw error;
    throw new Unreachable('The service does not answer.', { cause: error });
  }
}

function urlOf(path: string, { query = {} }: Call): URL {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  return url;
}

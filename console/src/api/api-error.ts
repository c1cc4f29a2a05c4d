import type { Problem } from './types.ts';

/** The service answered with a problem, which says what to do about it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** No answer came: the service restarts, or the network is down. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** Returns whether the same request may succeed in a moment without anybody doing anything. */
export const isPassing = (error: unknown): boolean =>
  error instanceof Unreachable || (error instanceof ApiError && [429, 502, 503, 504].includes(error.problem.status));

/** Returns the problem of an answer. A proxy's own error page is turned into one. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  const problem = parse(text);
  if (problem) return problem;
  return {
    type: 'about:blank',
    title: `The answer had status ${response.status}`,
    status: response.status,
    code: 'unexpected',
    detail: 'It did not come from the service. A proxy in front of it may have written it.',
    requestId: response.headers.get('X-Request-Id') ?? '',
  };
}

function parse(text: string): Problem | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value?.code === 'string' && typeof value.title === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

import { SignInExpired } from '../../../src/app/sign-in-expired.ts';
import type { ServiceRequest } from '../samples/request.ts';

export interface Answered {
  readonly kind: 'answered';
  readonly response: Response;
  readonly content: Uint8Array<ArrayBuffer>;
  /** The answer is longer; the rest was not read. */
  readonly isCut: boolean;
  readonly ms: number;
}

interface Failed {
  readonly kind: 'failed';
  readonly title: string;
  /** Another token helps. */
  readonly needsToken: boolean;
}

export type Outcome = Answered | { readonly kind: 'running' } | Failed;

/** The most that a page keeps of one answer. */
const MAX_BYTES = 256 * 1_024 * 1_024;

/** Returns what the page says of a call without an answer. */
export function failureOf(error: unknown, isCancelled: boolean): Failed {
  const text = error instanceof Error ? error.message : String(error);
  const title = isCancelled ? 'The call was cancelled.' : text;
  return { kind: 'failed', title, needsToken: error instanceof SignInExpired };
}

/** Sends a request and reads its answer, up to a limit. Rejects if no answer comes, or not all of it. */
export async function perform(
  call: (request: ServiceRequest, signal: AbortSignal) => Promise<Response>,
  request: ServiceRequest,
  signal: AbortSignal,
): Promise<Answered> {
  const startedAt = performance.now();
  const response = await call(request, signal).catch((cause: unknown) => {
    throw signal.aborted || cause instanceof SignInExpired
      ? cause
      : new Error('No answer came: the service restarts, or the network is down.', { cause });
  });
  const { content, isCut } = await readContent(response);
  return { kind: 'answered', response, content, isCut, ms: performance.now() - startedAt };
}

async function readContent(response: Response): Promise<Pick<Answered, 'content' | 'isCut'>> {
  const reader = response.body?.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let size = 0; reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
    if (size <= MAX_BYTES) continue;
    await reader.cancel();
    return { content: await joined(chunks), isCut: true };
  }
  return { content: await joined(chunks), isCut: false };
}

const joined = async (chunks: readonly Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await new Blob([...chunks]).arrayBuffer());

import type { ServiceRequest } from '../samples/request.ts';

export interface Answered {
  readonly kind: 'answered';
  readonly response: Response;
  readonly content: Uint8Array<ArrayBuffer>;
  /** The answer is longer; the rest was not read. */
  readonly isCut: boolean;
  readonly ms: number;
}

export type Outcome = Answered | { readonly kind: 'running' } | { readonly kind: 'failed'; readonly title: string };

/** The most that a page keeps of one answer. */
const MAX_BYTES = 256 * 1_024 * 1_024;

/** Sends a request and reads its answer, up to a limit. Rejects if no answer comes, or not all of it. */
export async function perform(
  call: (request: ServiceRequest, signal: AbortSignal) => Promise<Response>,
  request: ServiceRequest,
  signal: AbortSignal,
): Promise<Answered> {
  const startedAt = performance.now();
  const response = await call(request, signal).catch((cause: unknown) => {
    throw signal.aborted
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

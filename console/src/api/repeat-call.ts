import { isPassing } from './api-error.ts';

const RETRY_MS = 3_000;
const MAX_RETRIES = 20;

export interface RepeatedCallOptions<Answer> {
  call(signal: AbortSignal): Promise<Answer>;
  isOver(answer: Answer): boolean;
  /** The pause between two calls. */
  readonly pauseMs: number;
  /** Longest time in all. Absent: until it is over. */
  readonly maxMs?: number;
}

/**
 * Repeats a call until its answer is the last one, the time is up, or the signal stops it. It waits
 * out a restart of the service for a minute. Rejects with the error of any other failure.
 */
export async function repeatCall<Answer>(
  options: RepeatedCallOptions<Answer>,
  signal: AbortSignal,
  onAnswer: (answer: Answer) => void,
): Promise<void> {
  const startedAt = Date.now();
  while (!isStopped(signal)) {
    const answer = await callOnce(options, signal);
    if (isStopped(signal) || answer === undefined) return;
    onAnswer(answer);
    const isLate = options.maxMs !== undefined && Date.now() - startedAt >= options.maxMs;
    if (options.isOver(answer) || isLate) return;
    await pause(options.pauseMs, signal);
  }
}

/** Returns the answer; undefined if the signal stopped the call. */
async function callOnce<Answer>(
  { call }: RepeatedCallOptions<Answer>,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  for (let retries = 0; !isStopped(signal); retries += 1) {
    try {
      return await call(signal);
    } catch (error) {
      if (isStopped(signal)) return undefined;
      if (!isPassing(error) || retries >= MAX_RETRIES) throw error;
      await pause(RETRY_MS, signal);
    }
  }
  return undefined;
}

const isStopped = (signal: AbortSignal): boolean => signal.aborted;

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

import { useEffect, useRef, useState } from 'react';
import { type RepeatedCallOptions, repeatCall } from '../api/repeat-call.ts';

interface RepeatedCall<Answer> {
  readonly isRunning: boolean;
  readonly last: Answer | undefined;
  readonly error: unknown;
  start(): void;
  stop(): void;
}

/** Returns a call that is repeated as `repeatCall` does, once started. It stops with the page. */
export function useRepeatedCall<Answer>(
  options: RepeatedCallOptions<Answer> & { onEnd(last: Answer | undefined): unknown },
): RepeatedCall<Answer> {
  const [isRunning, setRunning] = useState(false);
  const [last, setLast] = useState<Answer>();
  const [error, setError] = useState<unknown>();
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  return {
    isRunning,
    last,
    error,
    start: () => {
      running.current?.abort();
      const controller = new AbortController();
      running.current = controller;
      setRunning(true);
      setError(undefined);
      setLast(undefined);
      let latest: Answer | undefined;
      const onAnswer = (answer: Answer): void => {
        latest = answer;
        setLast(() => answer);
      };
      repeatCall(options, controller.signal, onAnswer)
        .catch(setError)
        .finally(() => {
          if (running.current === controller) setRunning(false);
          options.onEnd(latest);
        });
    },
    stop: () => running.current?.abort(),
  };
}

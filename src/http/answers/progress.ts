import type { ServerResponse } from 'node:http';
import { setApiHeaders } from './answer.ts';

/** The steps of an operation while it runs, as its caller sees them. */
export interface Progress {
  /** Aborted once nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Sends a step at once if the caller prefers lines; otherwise it does nothing. */
  report(step: object): void;
  /** Sends the whole result as the last line if the caller prefers lines, and returns whether it did. */
  end(result: unknown): boolean;
}

export const NDJSON = 'application/x-ndjson';

/** Returns the progress of one request. */
export function openProgress(res: ServerResponse, requestId: string, asLines: boolean): Progress {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const send = (line: object): void => {
    if (!res.headersSent) setHead(res, requestId);
    res.write(`${JSON.stringify(line)}\n`);
  };
  return {
    signal: gone.signal,
    report: (step) => {
      if (asLines && !gone.signal.aborted) send({ step });
    },
    end: (result) => {
      if (gone.signal.aborted) return true;
      if (!asLines) return false;
      send({ result });
      res.end();
      return true;
    },
  };
}

function setHead(res: ServerResponse, requestId: string): void {
  setApiHeaders(res);
  res.setHeader('Content-Type', NDJSON);
  res.setHeader('Vary', 'Accept');
  res.setHeader('X-Request-Id', requestId);
}

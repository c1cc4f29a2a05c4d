import type { IncomingMessage, ServerResponse } from 'node:http';
import { markAnswered } from './answer-end.ts';

/** How long to drain a client that is still sending. */
const LINGER_MS = 2_000;

/**
 * Ends an answer to a request whose body is incomplete. Closing at once would reset the connection
 * of a client that is still sending, and could destroy the answer. So the rest of the body is
 * discarded for a while. The head is sent, with `Connection: close` and the Content-Length that
 * shows the client a complete answer.
 */
export function endEarly(req: IncomingMessage, res: ServerResponse, body: string | Buffer): void {
  const waitsForContinue = req.headers.expect !== undefined && !req.readableDidRead;
  if (waitsForContinue) {
    res.end(body);
    return;
  }
  res.write(body);
  markAnswered(res);
  const end = () => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req.removeAllListeners('data').once('end', end).once('close', end).resume();
}

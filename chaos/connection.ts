import { Agent, request } from 'node:http';
import { buffer } from 'node:stream/consumers';

/** The answer to a caller. */
export interface Reply {
  readonly status: number;
  /** '' without an answer. */
  readonly requestId: string;
  readonly retryAfter: string | undefined;
  readonly bytes: Buffer;
  /** The reason for a missing answer: `ECONNRESET` and the like. */
  readonly failure?: string;
}

/** No answer of the service may take so long. */
const PATIENCE_MS = 30_000;

/** One caller's connection, kept between calls. */
export class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  post(url: string, contentType: string, body: string | Buffer): Promise<Reply> {
    const headers = {
      authorization: `Bearer ${this.#token}`,
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
    };
    return new Promise((resolve) => {
      const fail = (error: Error & { readonly code?: string }) =>
        resolve({
          status: 0,
          requestId: '',
          retryAfter: undefined,
          bytes: Buffer.alloc(0),
          failure: error.code ?? error.name,
        });
      const options = { method: 'POST', agent: this.#agent, headers, signal: AbortSignal.timeout(PATIENCE_MS) };
      const sent = request(url, options, (res) => {
        const { 'x-request-id': requestId, 'retry-after': retryAfter } = res.headers;
        buffer(res).then(
          (bytes) => resolve({ status: res.statusCode ?? 0, requestId: String(requestId), retryAfter, bytes }),
          fail,
        );
      });
      sent.on('error', fail).end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

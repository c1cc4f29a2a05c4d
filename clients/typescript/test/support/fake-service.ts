import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the fake service got it. */
export interface Seen {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly items?: readonly Record<string, string>[] } & Record<string, unknown>;
}

export type Answer = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

/** A server on loopback that answers as each test says, and remembers what it was asked. */
export interface FakeService {
  readonly url: string;
  readonly seen: Seen[];
  answer: Answer;
  /** Breaks all connections, and listens again after a time. */
  restart(downMs: number): void;
  close(): Promise<void>;
}

export async function startFakeService(answer: Answer = echo): Promise<FakeService> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const one = { url: request.url ?? '', headers: request.headers, body: text.startsWith('{') ? JSON.parse(text) : {} };
    seen.push(one);
    await fake.answer(one, response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    answer,
    restart: (downMs) => {
      const { port } = server.address() as AddressInfo;
      server.close(() => setTimeout(() => server.listen(port, '127.0.0.1'), downMs));
      server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}

/** "Encrypts" by putting `sealed:` before the base64, singly and in batches. */
export function echo({ body }: Seen, response: ServerResponse): void {
  const sealed = (item: Record<string, unknown>) => ({ ciphertext: `sealed:${String(item['plaintext'])}`, keyId: 'k' });
  sendJson(response, 200, body.items === undefined ? sealed(body) : { items: body.items.map(sealed) });
}

export function sendJson(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'Content-Type': type, ...headers }).end(JSON.stringify(value));
}

/** A problem with what every problem has. */
export function problem(status: number, code: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { type: `urn:vaultspan:problem:${code}`, title: code, status, code, detail: 'Because.', requestId: 'r-1', ...more };
}

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

type Place = { readonly url: string } & AsyncDisposable;

/** Returns a server that takes every request, sends as much as it is told, and then nothing. */
export const hangingService = (sent: 'no answer' | 'half an answer'): Promise<Place> =>
  listening((req, res) => {
    req.resume();
    if (sent === 'half an answer') res.writeHead(200, { 'Content-Length': 1_000 }).write('half a plaintext');
  });

/** Returns a server that gives every request the same answer. */
export const answeringService = (answer: Buffer): Promise<Place> =>
  listening((req, res) => {
    req.resume();
    res.end(answer);
  });

async function listening(answer: RequestListener): Promise<Place> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

import type { ServerResponse } from 'node:http';
import { releaseMemory } from '../../lib/memory.ts';

/**
 * Headers of every data answer, as OWASP's REST Security Cheat Sheet recommends. The pages, which a
 * browser renders, get all of helmet's (docs.ts).
 */
const API_HEADERS: readonly string[] = [
  'Cache-Control',
  'no-store',
  'Content-Security-Policy',
  "default-src 'none'; frame-ancestors 'none'",
  'Strict-Transport-Security',
  'max-age=31536000; includeSubDomains',
  'X-Content-Type-Options',
  'nosniff',
  'X-Frame-Options',
  'DENY',
];
/** Up to this size, joining a text to its headers is cheaper than a second buffer. */
const MAX_JOINED = 64 * 1_024;

/** Sends the body and then the end, at once or later. A string is ASCII. */
export type EndAnswer = (body: string | Buffer) => void;

/** Names and values in turn, as `writeHead` takes them. */
export type Headers = readonly (string | number)[];

/**
 * Sends a whole answer. One flat block of headers costs less than setting each, and a short ASCII
 * text is sent in the same write. Together this saves 2.5 µs of 55 for each answer of 1.5 KiB,
 * measured with two servers taking turns under wrk.
 */
export function sendText(
  res: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Headers,
  end: EndAnswer = (body) => res.end(body, 'latin1'),
): void {
  const length = Buffer.byteLength(text);
  res.writeHead(status, [...API_HEADERS, 'Content-Type', type, 'Content-Length', length, ...headers] as string[]);
  if (length !== text.length) end(Buffer.from(text));
  else end(length > MAX_JOINED ? Buffer.from(text, 'latin1') : text);
}

/** Sets the headers of an answer that is sent in parts. */
export function setApiHeaders(res: ServerResponse): void {
  for (let at = 0; at < API_HEADERS.length; at += 2) res.setHeader(API_HEADERS[at] ?? '', API_HEADERS[at + 1] ?? '');
}

export function sendBytes(res: ServerResponse, type: string, bytes: Buffer, headers: Headers): void {
  res.writeHead(200, [...API_HEADERS, 'Content-Type', type, 'Content-Length', bytes.length, ...headers] as string[]);
  res.end(bytes);
}

/** Sends the pieces of a body, which nobody uses any more, and frees their memory once they are sent. */
export function sendPieces(res: ServerResponse, type: string, pieces: readonly Buffer[], headers: Headers): void {
  const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  res.writeHead(200, [...API_HEADERS, 'Content-Type', type, 'Content-Length', length, ...headers] as string[]);
  res.cork();
  for (const piece of pieces) res.write(piece);
  res.end(() => pieces.forEach(releaseMemory));
}

export function sendNothing(res: ServerResponse, headers: Headers, status: 200 | 202 | 204): void {
  res.writeHead(status, [...API_HEADERS, ...headers] as string[]).end();
}

import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import express from 'express';
import helmet from 'helmet';
import { createGarbageCount } from '../src/http/streams/young-collection.ts';
import { answerCpuQuestions } from './cpu.ts';

/**
 * The baseline: JSON in, base64, AES-256-GCM, base64, JSON out, and nothing else. No
 * authentication, no checks, no audit, one key. `express` has helmet and express.json; `http` has
 * neither. Both answer any path by its last part. `express` also returns streams. /echo returns
 * them unchanged, /echo-tidy collects garbage as the product does, and /echo-sealed encrypts in
 * addition: the least cost of encrypting in one thread.
 */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const BODY_LIMIT = '4mb';
const STREAM = 'application/octet-stream';
const key = createSecretKey(randomBytes(32));

interface Item {
  readonly plaintext?: string;
  readonly ciphertext?: string;
  readonly items?: readonly Item[];
}

function seal(plaintext: Buffer): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const ciphertext = Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return ciphertext.toString('base64');
}

function open(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
}

const work: Readonly<Record<string, (item: Item) => object>> = {
  encrypt: ({ plaintext = '' }) => ({ ciphertext: seal(Buffer.from(plaintext, 'base64')) }),
  decrypt: ({ ciphertext = '' }) => ({ plaintext: open(ciphertext).toString('base64') }),
  rewrap: ({ ciphertext = '' }) => ({ ciphertext: seal(open(ciphertext)) }),
  'data-keys': () => {
    const dataKey = randomBytes(32);
    return { plaintext: dataKey.toString('base64'), ciphertext: seal(dataKey) };
  },
};

function answer(path: string, body: Item): object {
  const handle = work[path.slice(path.lastIndexOf('/') + 1)];
  if (!handle) throw new Error(`nothing at ${path}`);
  return body.items ? { items: body.items.map(handle) } : handle(body);
}

function answerPlainly(req: IncomingMessage, res: ServerResponse): void {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const body = JSON.stringify(answer(req.url ?? '', JSON.parse(Buffer.concat(chunks).toString()) as Item));
    res.setHeader('Content-Type', 'application/json');
    res.setHeader('Content-Length', Buffer.byteLength(body));
    res.end(body);
  });
}

function passOn(req: IncomingMessage, res: ServerResponse, change: (piece: Buffer) => Buffer): void {
  req.on('data', (piece: Buffer) => {
    if (!res.write(change(piece))) req.pause();
  });
  res.on('drain', () => req.resume());
  req.on('end', () => res.end());
}

function withExpress() {
  const app = express().disable('x-powered-by').disable('etag');
  app.use(helmet()).use(express.json({ limit: BODY_LIMIT }));
  app.post('/echo', (req, res) => {
    passOn(req, res.type(STREAM), (piece) => piece);
  });
  const countBytes = createGarbageCount();
  app.post('/echo-tidy', (req, res) => {
    passOn(req, res.type(STREAM), (piece) => {
      countBytes(piece.length);
      return piece;
    });
  });
  app.post('/echo-sealed', (req, res) => {
    const cipher = createCipheriv('aes-256-gcm', key, randomBytes(IV_BYTES));
    passOn(req, res.type(STREAM), (piece) => {
      countBytes(piece.length);
      return cipher.update(piece);
    });
  });
  app.post('/*path', (req, res) => {
    res.json(answer(req.path, req.body as Item));
  });
  return app;
}

const server = createServer(process.argv[2] === 'express' ? withExpress() : answerPlainly);
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  answerCpuQuestions(`http://127.0.0.1:${port}`);
});

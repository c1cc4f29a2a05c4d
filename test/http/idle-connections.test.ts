import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { expect, test } from '@jest/globals';
import { createCa, createLeaf } from '../../src/emulator/x509/certificates.ts';
import { openServedCertificate } from '../../src/http/server/served-certificate.ts';
import { type ListenOptions, listen } from '../../src/http/server/server.ts';
import { until } from '../support/until.ts';

const MAX = 4;
const DEADLINES = { headersMs: 500, checkEveryMs: 50, bodyMs: 500 };

/** Starts a listener that answers hello and holds requests for /kept. */
async function open(options: Partial<ListenOptions>) {
  const kept: (() => void)[] = [];
  const server = await listen(
    () => (req, res) => {
      if (req.url === '/kept') kept.push(() => res.end('kept'));
      else res.end('hello');
    },
    { host: '127.0.0.1', port: 0, maxIdleConnections: MAX, ...options },
  );
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    answerKept: () => {
      for (const answer of kept) answer();
    },
    keptCount: () => kept.length,
    [Symbol.asyncDispose]: async () => {
      await server.drain(0);
    },
  };
}

const opened = async (socket: Socket, event = 'connect'): Promise<Socket> => {
  socket.on('error', () => undefined).resume();
  await once(socket, event);
  return socket;
};

test('of too many idle connections the ones idle for longest are closed, and none with a request', async () => {
  await using server = await open({});
  const busy = await opened(connect(server.port, '127.0.0.1'));
  busy.write('GET /kept HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => server.keptCount() === 1, 'the request under way');
  const silent: Socket[] = [];
  for (let n = 0; n < 3 * MAX; n += 1) silent.push(await opened(connect(server.port, '127.0.0.1')));
  await until(() => silent.filter(({ closed }) => closed).length === 2 * MAX, 'the bound');
  expect(silent.map(({ closed }) => closed)).toEqual([...Array(2 * MAX).fill(true), ...Array(MAX).fill(false)]);
  const answered = once(busy, 'data');
  busy.pause();
  server.answerKept();
  busy.resume();
  expect(String((await answered)[0])).toContain('kept');
  const agent = new Agent({ keepAlive: true });
  const [answer] = await once(get(`${server.url}/`, { agent }), 'response');
  expect(await text(answer)).toBe('hello');
  agent.destroy();
  for (const socket of silent) socket.destroy();
});

test('over TLS the same applies to handshakes and to connections, and a silent one is closed like half a head', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'idle-'));
  const leaf = await createLeaf(await createCa());
  const files = { certificateFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  await writeFile(files.certificateFile, leaf.certPem);
  await writeFile(files.keyFile, leaf.keyPem);
  const ignore = () => undefined;
  const certificate = await openServedCertificate({
    files,
    wallMs: Date.now,
    onReload: ignore,
    onBrokenEdit: ignore,
    onDates: ignore,
  });
  try {
    await using server = await open({ certificate, deadlines: DEADLINES });
    const handshakes: Socket[] = [];
    for (let n = 0; n < 3 * MAX; n += 1) handshakes.push(await opened(connect(server.port, '127.0.0.1')));
    await until(() => handshakes.filter(({ closed }) => closed).length === 2 * MAX, 'the bound of handshakes');
    const client = () => connectTls({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false });
    const silent: Socket[] = [];
    for (let n = 0; n < MAX; n += 1) silent.push(await opened(client(), 'secureConnect'));
    await until(() => silent.every(({ closed }) => closed), 'the deadline of the head');
    const slow: Socket[] = [];
    for (let n = 0; n < 2 * MAX; n += 1) slow.push(await opened(client(), 'secureConnect'));
    await until(() => slow.filter(({ closed }) => closed).length >= MAX, 'the bound of connections');
    for (const socket of [...handshakes, ...slow]) socket.destroy();
  } finally {
    await certificate.close();
    await rm(folder, { recursive: true, force: true });
  }
});

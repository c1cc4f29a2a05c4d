import { Agent, createServer, request, type ServerResponse } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { listen } from '../../src/http/server/server.ts';
import { freePorts } from '../support/free-ports.ts';
import { startService } from '../support/start-service.ts';

interface Answer {
  readonly status: number | undefined;
  readonly connection: string | undefined;
}

function get(url: string, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (res) => {
      res.resume().on('close', () => resolve({ status: res.statusCode, connection: res.headers.connection }));
    })
      .on('error', reject)
      .end();
  });
}

describe('drain', () => {
  test('makes readiness fail, tells kept connections to close, and then accepts nothing more', async () => {
    const service = await startService({ config: { http: { port: 0, drainSeconds: 3 } } });
    await using _closing = service;
    const agent = new Agent({ keepAlive: true });
    expect(await get(`${service.url}/readyz`, agent)).toEqual({ status: 200, connection: 'keep-alive' });
    const stopped = service.stop();
    const draining = await get(`${service.url}/readyz`, agent);
    expect(draining).toEqual({ status: 503, connection: 'close' });
    expect((await service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' })).status).toBe(200);
    await stopped;
    await expect(get(`${service.url}/healthz`, agent)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('lets current requests end, and cuts them only at the limit', async () => {
    const held: (() => void)[] = [];
    const open = () =>
      listen(
        () => (_req, res) => {
          held.push(() => res.end('done'));
          res.writeHead(200);
          res.flushHeaders();
        },
        { host: '127.0.0.1', port: 0 },
      );
    const ending = await open();
    const answer = get(ending.url, new Agent());
    while (held.length === 0) await new Promise(setImmediate);
    const drained = ending.drain(10_000);
    held[0]?.();
    expect([(await answer).status, await drained]).toEqual([200, 0]);

    const stuck = await open();
    const cut = get(stuck.url, new Agent()).catch((error: Error) => error.message);
    while (held.length === 1) await new Promise(setImmediate);
    expect(await stuck.drain(1_000)).toBe(1);
    await cut;
  });

  test('on a shared port sends new connections elsewhere at once, and answers kept ones to the end', async () => {
    const answering = (text: string) => () => (_req: unknown, res: ServerResponse) => res.end(text);
    const alone = await listen(answering('alone'), { host: '127.0.0.1', port: 0 });
    const taken = { host: '127.0.0.1', port: Number(new URL(alone.url).port), reusePort: true };
    await expect(listen(answering('one'), taken)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await alone.drain(0);

    const shared = { host: '127.0.0.1', port: await freePorts(1), reusePort: true };
    const one = await listen(answering('one'), shared);
    const agent = new Agent({ keepAlive: true });
    await get(one.url, agent);
    const other = await listen(answering('other'), shared);
    const drained = one.drain(3_000);
    const bodies = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(other.url)).text()));
    expect([...new Set(bodies)]).toEqual(['other']);
    expect(await get(one.url, agent)).toEqual({ status: 200, connection: 'close' });
    expect(await drained).toBe(0);
    await other.drain(0);
  });

  test('on a shared port accepts new connections in the grace if no other process stays', async () => {
    const answering = () => (_req: unknown, res: ServerResponse) => res.end('last');
    const shared = { host: '127.0.0.1', port: await freePorts(1), reusePort: true };
    const last = await listen(answering, shared);
    const drained = last.drain(3_000, undefined, false);
    expect(await get(last.url, new Agent())).toEqual({ status: 200, connection: 'close' });
    expect(await drained).toBe(0);
  });

  test('a port in use is an error, not a silent failure', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { readonly port: number };
    await expect(listen(() => () => undefined, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    await new Promise((resolve) => other.close(resolve));
  });
});

import { createServer, get, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SharedContextAgent } from '../../src/azure/shared-context-agent.ts';
import { createCa, createLeaf } from '../../src/emulator/x509/certificates.ts';
import { until } from '../support/until.ts';

const trusted = getCACertificates('default');
let server: Server;
let caPem: string;
let agent: SharedContextAgent;
let connections: number;
let open: number;
beforeEach(async () => {
  const ca = await createCa();
  caPem = ca.certPem;
  const { certPem, keyPem } = await createLeaf(ca, ['localhost']);
  connections = 0;
  open = 0;
  server = createServer({ cert: certPem, key: keyPem, keepAliveTimeout: 60_000 }, (_request, response) =>
    response.end('answer'),
  );
  server.on('secureConnection', (socket) => {
    connections += 1;
    open += 1;
    socket.on('close', () => {
      open -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  agent = new SharedContextAgent({ keepAlive: true, timeout: 60_000 });
});
afterEach(async () => {
  agent.destroy();
  setDefaultCACertificates(trusted);
  await new Promise((resolve) => server.close(resolve));
});

const call = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    get({ host: 'localhost', port, agent }, (response) => {
      response.setEncoding('utf8').on('data', resolve);
    }).on('error', reject);
  });

test('a certificate that is trusted only after the first connection is accepted', async () => {
  await expect(call()).rejects.toThrow('certificate');
  setDefaultCACertificates([...trusted, caPem]);
  expect(await call()).toBe('answer');
});

test('a connection serves one call after the other', async () => {
  setDefaultCACertificates([...trusted, caPem]);
  for (let count = 0; count < 3; count += 1) expect(await call()).toBe('answer');
  expect([connections, open]).toEqual([1, 1]);
});

test('a connection is closed when it is idle', async () => {
  setDefaultCACertificates([...trusted, caPem]);
  agent.destroy();
  agent = new SharedContextAgent({ keepAlive: true, timeout: 100 });
  expect(await call()).toBe('answer');
  await until(() => open === 0, 'the connection is closed');
});

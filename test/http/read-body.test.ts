import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { createBodyReader } from '../../src/http/bodies/read-body.ts';

const LONG_MS = 60_000;
const limit = { bytes: 1_000, usualBytes: 1_000, values: 10, hint: '' };

test('a body whose client went before it was read is refused at once', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  try {
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}');
    const [req] = (await once(server, 'request')) as [IncomingMessage];
    const closed = once(req, 'close').catch(() => undefined);
    client.destroy();
    await closed;
    await expect(createBodyReader(LONG_MS)(req, { limit, held: undefined })).rejects.toMatchObject({
      code: 'malformed-request',
    });
  } finally {
    client.destroy();
    server.close();
  }
});

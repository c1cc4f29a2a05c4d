import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { markAnswered, onAnswered, onClosed } from '../../../src/http/answers/answer-end.ts';

/** Returns the answer of a request whose client waits for nothing. */
async function answerOf(use: (res: ServerResponse) => void | Promise<void>): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  try {
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [, res] = (await once(server, 'request')) as [unknown, ServerResponse];
    onClosed(res, () => undefined);
    const closed = once(res, 'close');
    await use(res);
    socket.destroy();
    await closed;
  } finally {
    socket.destroy();
    server.close();
  }
}

test('a callback is called once, when the connection ends without an answer', async () => {
  const calls: string[] = [];
  await answerOf((res) => {
    onClosed(res, () => calls.push('closed'));
    onAnswered(res, () => calls.push('answered'));
    expect(calls).toEqual([]);
  });
  expect(calls).toEqual(['answered', 'closed']);
});

test('a callback is called once, when the answer is marked before its connection ends', async () => {
  const calls: string[] = [];
  await answerOf((res) => {
    onAnswered(res, () => calls.push('answered'));
    markAnswered(res);
    markAnswered(res);
    expect(calls).toEqual(['answered']);
  });
  expect(calls).toEqual(['answered']);
});

test('a callback for an answer whose connection has ended is called at once', async () => {
  let late: ServerResponse | undefined;
  await answerOf((res) => {
    late = res;
  });
  let calls = 0;
  if (late) onAnswered(late, () => (calls += 1));
  expect(calls).toBe(1);
});

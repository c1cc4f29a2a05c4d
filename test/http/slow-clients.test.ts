import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

const ENCRYPT = '/tenants/contoso/encrypt';
const BODY = { plaintext: 'aGk=' };
const CLIENTS = 100;

let service: TestService;
beforeAll(async () => {
  service = await startService({ deadlines: { headersMs: 2500, checkEveryMs: 100, bodyMs: 2500 } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const head = (headers: string, path = ENCRYPT): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${service.token()}\r\nContent-Type: application/json\r\n${headers}`;

/**
 * Sends a start and then a little more forever. Returns what arrived before the server closed the
 * connection.
 */
function trickle(start: string, more: string): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(service.url);
    let answer = '';
    let timer: NodeJS.Timeout | undefined;
    const socket: Socket = connect(Number(port), hostname, () => {
      socket.write(start);
      timer = setInterval(() => socket.write(more), 50); // not before: bytes that are written while it connects go first
    });
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(timer);
      resolve(answer);
    });
  });
}

test('a client that never finishes gets one answer, and its connection ends', async () => {
  const clients: readonly (readonly [what: string, start: string, more: string, status: string])[] = [
    ['says nothing', '', '', '408'],
    ['never ends its request line', 'GET /', 'a', '408'],
    ['never ends its headers', head(''), 'X: a\r\n', '408'],
    ['never ends its body', head('Content-Length: 1000000\r\n\r\n'), ' ', '400'],
    ['declares a body over the limit', head('Content-Length: 99999999\r\n\r\n'), '', '413'],
    ['never begins its body', head('Content-Length: 20\r\n\r\n'), '', '400'],
    ['never ends its chunks', head('Transfer-Encoding: chunked\r\n\r\n'), '1\r\n \r\n', '400'],
    ['never ends its chunk', head('Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n'), ' ', '400'],
    ['never ends an extension of its chunk', head('Transfer-Encoding: chunked\r\n\r\n1;'), 'a', '400'],
    ['never ends its trailer', head('Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n'), 'X: a\r\n', '400'],
    ['never ends a body that nobody asked for', head('Content-Length: 1000000\r\n\r\n', '/nope'), ' ', '404'],
    [
      'never ends a body without a token',
      head('Content-Length: 1000000\r\n\r\n').replace('Bearer', 'None'),
      ' ',
      '401',
    ],
  ];
  const outcomes = clients.map(async ([what, start, more]) => {
    const answer = await trickle(start, more);
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
    return [what, ...statuses, /connection: close\r\n/i.test(answer)];
  });
  expect(await Promise.all(outcomes)).toEqual(clients.map(([what, , , status]) => [what, status, true]));
});

test('a hundred slow clients of each kind delay nobody else, and all of them are disconnected', async () => {
  const before = process.getActiveResourcesInfo().length;
  const slow = Array.from({ length: CLIENTS }, () => [
    trickle(head(''), 'X: a\r\n'),
    trickle(head('Content-Length: 1000\r\n\r\n'), ' '),
  ]).flat();
  const others = await Promise.all(Array.from({ length: 20 }, () => service.post(ENCRYPT, BODY)));
  expect(new Set(others.map(({ status }) => status))).toEqual(new Set([200]));
  const answers = await Promise.all(slow);
  expect(new Set(answers.map((answer) => answer.slice(0, 12)))).toEqual(new Set(['HTTP/1.1 408', 'HTTP/1.1 400']));
  await service.post(ENCRYPT, BODY);
  expect(process.getActiveResourcesInfo().length).toBeLessThan(before + CLIENTS);
});

test('a slow body is refused for its rate, long before the time limit of the whole body', async () => {
  const answer = await trickle(head('Content-Length: 1000000\r\n\r\n'), ' ');
  expect(answer).toContain('the body arrived at less than 16 KiB/s');
  const steady = await trickle(head('Content-Length: 10000000\r\n\r\n'), ' '.repeat(40_000));
  expect(steady).not.toContain('KiB/s');
});

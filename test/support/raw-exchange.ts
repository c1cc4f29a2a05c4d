import { connect } from 'node:net';

/** What came back on a connection, each answer by itself. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

const PROBE = 'GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n';
/** What a connection that was still good answers last: exactly one, however the request before was cut up. */
export const STILL_GOOD = 200;

/**
 * Sends bytes as they are and gives back all answers until the other side closes. Where it doesn't close after the first one, a request
 * of ours follows and asks it to: so an answer to something smuggled in stands between the two, and nothing waits for a time.
 */
export function exchange(url: string, raw: string, { isHead = false } = {}): Promise<readonly RawAnswer[]> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    let text = '';
    let isProbed = false;
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true }, () => {
      socket.write(raw, 'latin1');
    });
    socket.setEncoding('latin1').on('data', (more: string) => {
      text += more;
      if (isProbed || answersIn(text, isHead).length === 0) return;
      isProbed = true;
      socket.write(PROBE, 'latin1');
    });
    socket.on('end', () => socket.end());
    socket.on('error', () => undefined).on('close', () => resolve(answersIn(text, isHead)));
  });
}

/** Complete answers; `100 Continue` is none. */
function answersIn(text: string, isHead: boolean): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  for (;;) {
    const [, head = '', status = ''] = /^(HTTP\/1\.1 (\d{3})[\s\S]*?\r\n\r\n)/.exec(rest) ?? [];
    if (head === '') return answers;
    const [, length = '0'] = /^content-length: (\d+)\r$/im.exec(head) ?? [];
    const bytes = isHead && answers.length === 0 ? 0 : Number(length);
    if (rest.length < head.length + bytes) return answers;
    if (status !== '100')
      answers.push({ status: Number(status), head, body: rest.slice(head.length, head.length + bytes) });
    rest = rest.slice(head.length + bytes);
  }
}

import { connect } from 'node:net';

/** The bytes received on a connection, split into answers. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

const PROBE = 'GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n';
/**
 * The last answer of a connection that is still usable: exactly one, however the previous request
 * was split.
 */
export const STILL_GOOD = 200;

/**
 * Sends bytes unchanged and returns all answers until the other side closes. If it does not close
 * after the first one, a request of ours follows and asks it to. So an answer to a smuggled request
 * is between the two, and the test needs no timed wait.
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

/** Returns the complete answers; `100 Continue` is none. */
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

import type { IncomingMessage } from 'node:http';

// RFC 9110 §7.2: a name, an IPv4 or a bracketed IPv6 address, and a port; empty where the target has no authority.
const HOST = /^(?:[\w.~%-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/**
 * Whether a proxy in front and we are sure to read a request alike. Node's parser refuses what breaks HTTP's framing; what it lets
 * through and others read otherwise is refused here: transfer codings beside chunked (RFC 9112 §6.1), no host, two or a malformed one
 * (§3.2), a fragment in the target, and versions that are not HTTP/1.0 or 1.1, with which it would answer all the same.
 */
export function isPlainRequest({ headers, httpVersion, url = '' }: IncomingMessage): boolean {
  const { host, 'transfer-encoding': coding } = headers;
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return false;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return false;
  return (host === undefined ? httpVersion === '1.0' : HOST.test(host)) && !url.includes('#');
}

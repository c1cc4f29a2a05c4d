import type { IncomingMessage } from 'node:http';

// RFC 9110 §7.2: a name, an IPv4 or a bracketed IPv6 address, and a port; empty if the target has
// no authority.
const HOST = /^(?:[\w.~%-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/**
 * Returns whether a proxy in front of the service surely reads the request as we do. Node's parser
 * refuses broken HTTP framing. This check refuses requests that Node accepts and others read
 * differently. These are transfer codings besides chunked (RFC 9112 §6.1), no host, two hosts or a
 * malformed one (§3.2), and a fragment in the target. It also refuses versions other than HTTP/1.0
 * and 1.1, which Node would answer all the same.
 */
export function isPlainRequest({ headers, httpVersion, url = '' }: IncomingMessage): boolean {
  const { host, 'transfer-encoding': coding } = headers;
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return false;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return false;
  return (host === undefined ? httpVersion === '1.0' : HOST.test(host)) && !url.includes('#');
}

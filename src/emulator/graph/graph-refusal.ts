import { randomUUID } from 'node:crypto';
import type { Cloud } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import type { Reply } from '../reply.ts';

/** A refusal in Microsoft Graph's form: https://learn.microsoft.com/graph/errors */
export class GraphRefusal extends Error {
  override readonly name = 'GraphRefusal';
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const badRequest = (message: string): GraphRefusal => new GraphRefusal(400, 'Request_BadRequest', message);

type ErrorParts = Pick<GraphRefusal, 'status' | 'code' | 'message'>;

export function graphErrorReply(cloud: Cloud, { status, code, message }: ErrorParts, exchange?: Exchange): Reply {
  const requestId = randomUUID();
  const sent = exchange?.headers['client-request-id'];
  const innerError = {
    date: new Date(cloud.now()).toISOString().replace(/\.\d+Z$/, ''),
    'request-id': requestId,
    'client-request-id': typeof sent === 'string' ? sent : requestId,
  };
  return { status, headers: { 'request-id': requestId }, body: { error: { code, message, innerError } } };
}

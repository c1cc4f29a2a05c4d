import type { Cloud } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import { ok, type Reply } from '../reply.ts';
import type { Collection } from './graph-directory.ts';
import { badRequest, GraphRefusal } from './graph-refusal.ts';

const DEFAULT_SIZE = 100;
const MAX_SIZE = 999;
const SKIP_TOKEN = /^m~[\w-]+$/;

/**
 * Returns whether the client accepts eventual consistency: counts come from an index that lags
 * behind.
 */
export const isEventual = ({ headers }: Exchange): boolean =>
  String(headers['consistencylevel']).toLowerCase() === 'eventual';

/**
 * Returns one page with a link to the next. A count that the client may not have is left out, as
 * Graph does.
 */
export function page(cloud: Cloud, exchange: Exchange, collection: Collection): Reply {
  const { query } = exchange;
  const { size: total, type } = collection;
  const size = pageSize(query.get('$top'));
  const selected = selection(query.get('$select'), collection);
  const start = offsetOf(query.get('$skiptoken'));
  const end = Math.min(start + size, total);
  const value: unknown[] = [];
  for (let index = start; index < end; index += 1) value.push(pick(collection.entryAt(index), selected));
  const context = `${cloud.authorityHost()}/v1.0/$metadata#${type === 'organization' ? type : `${type}s`}`;
  return ok({
    '@odata.context': query.has('$select') ? `${context}(${selected.join(',')})` : context,
    ...(query.get('$count') === 'true' && isEventual(exchange) && { '@odata.count': total }),
    ...(end < total && { '@odata.nextLink': nextLink(cloud, exchange, end) }),
    value,
  });
}

function pageSize(top: string | null): number {
  const size = top === null ? DEFAULT_SIZE : Number(top);
  if (Number.isInteger(size) && size >= 1 && size <= MAX_SIZE) return size;
  throw badRequest(`Invalid page size specified: '${top}'. Must be between 1 and ${MAX_SIZE} inclusive.`);
}

function selection(select: string | null, { properties, type }: Collection): readonly string[] {
  if (select === null) return properties;
  const names = select.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !properties.includes(name));
  if (unknown === undefined) return names;
  const text = `Parsing OData Select and Expand failed: Could not find a property named '${unknown}' on type 'microsoft.graph.${type}'.`;
  throw new GraphRefusal(400, 'BadRequest', text);
}

const pick = (entry: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.map((name) => [name, entry[name]]));

function offsetOf(skipToken: string | null): number {
  if (skipToken === null) return 0;
  const text = Buffer.from(skipToken.slice(2), 'base64url').toString();
  if (!SKIP_TOKEN.test(skipToken) || !/^\d{1,9}$/.test(text)) throw badRequest('The skip token is not valid.');
  return Number(text);
}

function nextLink(cloud: Cloud, { path, query }: Exchange, offset: number): string {
  const kept = [...query].filter(([name]) => name !== '$skiptoken');
  const next: [string, string] = ['$skiptoken', `m~${Buffer.from(String(offset)).toString('base64url')}`];
  const text = [...kept, next].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return `${cloud.authorityHost()}${path}?${text}`;
}

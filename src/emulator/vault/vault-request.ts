import type { Cloud } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import { ok, type Reply } from '../reply.ts';
import type { VaultState } from '../state.ts';
import { isRecord } from './vault-items.ts';
import { badParameter } from './vault-refusal.ts';

/** A request with its parsed path that passed the token and access checks. */
export interface VaultRequest {
  readonly cloud: Cloud;
  readonly vault: VaultState;
  readonly exchange: Exchange;
  /** Empty for operations on the vault as a whole. */
  readonly name: string;
  readonly version: string | undefined;
}

export type VaultHandler = (request: VaultRequest) => Promise<Reply> | Reply;

export async function jsonBody({ exchange }: VaultRequest): Promise<Readonly<Record<string, unknown>>> {
  const text = (await exchange.body()).toString();
  try {
    const body: unknown = JSON.parse(text);
    if (isRecord(body)) return body;
  } catch {
    // The same refusal as for JSON that is not an object.
  }
  throw badParameter('The request body is missing or is not a JSON object');
}

export function textMember(body: Readonly<Record<string, unknown>>, name: string): string {
  const value = body[name];
  if (typeof value !== 'string') throw badParameter(`Property ${name} is required and is a string`);
  return value;
}

/**
 * Returns one page with a link to the next. Azure promises no order; here the order is by id, never
 * by age.
 */
export function page(request: VaultRequest, entries: readonly (readonly [string, unknown])[]): Reply {
  const { cloud, vault, exchange } = request;
  const sorted = entries.toSorted(([left], [right]) => (left < right ? -1 : 1));
  const after = exchange.query.get('$skiptoken');
  const wanted = Number(exchange.query.get('maxresults') ?? vault.pageSize);
  if (!Number.isInteger(wanted) || wanted < 1) throw badParameter('maxresults must be a positive whole number');
  const size = Math.min(wanted, vault.pageSize);
  const rest = after === null ? sorted : sorted.filter(([id]) => id > after);
  const shown = rest.slice(0, size);
  const last = shown.at(-1)?.[0];
  if (rest.length <= size || last === undefined) return ok({ value: shown.map(([, entry]) => entry), nextLink: null });
  const query = new URLSearchParams({
    'api-version': exchange.query.get('api-version') ?? '',
    $skiptoken: last,
    maxresults: String(size),
  });
  return ok({
    value: shown.map(([, entry]) => entry),
    nextLink: `${cloud.vaultUrl(vault.name)}${exchange.path}?${query.toString()}`,
  });
}

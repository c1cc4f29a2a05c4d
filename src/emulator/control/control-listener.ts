import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { exchangeOf, MalformedRequest } from '../exchange.ts';
import { ok, type Reply } from '../reply.ts';
import { isRecord } from '../vault/vault-items.ts';
import { VaultRefusal } from '../vault/vault-refusal.ts';
import type { Actions, Control } from './control.ts';
import { catalogue, type ParameterKind } from './control-catalogue.ts';

interface CatalogueEntry {
  readonly does: string;
  readonly parameters: Readonly<Record<string, ParameterKind>>;
  readonly example: object;
}

const entries: ReadonlyMap<string, readonly [keyof Actions, CatalogueEntry]> = new Map(
  Object.entries(catalogue).map(([name, entry]) => [kebab(name), [name as keyof Actions, entry]]),
);

/** The allowed values of string members. */
const choices: Readonly<Record<string, readonly string[]>> = {
  'inject-fault.kind': ['status', 'hang', 'reset', 'delay', 'garbage'],
  'add-vault.kind': ['vault', 'hsm'],
};

/** Addresses of Entra begin with the id of a directory; actions have one word. */
const OF_DIRECTORY = /^\/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\//;

/**
 * Returns the control server: plain HTTP on loopback, without a password. Anyone who can reach it
 * may break the emulated Azure. Browsers sign in here too, through `signIns`.
 */
export function controlServer(control: Control, signIns: RequestListener): Server {
  return createServer((request, response) => {
    if (OF_DIRECTORY.test(request.url ?? '')) {
      signIns(request, response);
      return;
    }
    answer(control, request)
      .catch(failureOf)
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
        response.end(body === undefined ? '' : `${JSON.stringify(body, null, 2)}\n`);
      })
      .catch(() => response.destroy());
  });
}

async function answer(control: Control, request: IncomingMessage): Promise<Reply> {
  assertNotFromPage(request);
  const exchange = exchangeOf(request);
  const [word = '', ...rest] = exchange.segments;
  switch (rest.length === 0 ? `${exchange.method} /${word}` : '') {
    case 'GET /':
      return ok(overview());
    case 'GET /requests':
      return ok(control.requests());
    case 'GET /audit-events':
      return ok(control.auditEvents().filter(({ Resource }) => isOf(exchange.query.get('vault'), Resource)));
    case 'GET /ingested-rows':
      return ok(control.ingestedRows());
    case 'DELETE /requests':
      control.clearRequests();
      return { status: 204 };
    default:
      return exchange.method === 'POST' && rest.length === 0
        ? act(control, word, await exchange.body())
        : failure(404, 'Nothing is here. GET / lists the actions; they are called by POST.');
  }
}

/**
 * Refuses requests of web pages: a page in the developer's browser must not give orders, even by
 * another name for loopback.
 */
function assertNotFromPage({ headers }: IncomingMessage): void {
  const isLoopback = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? '');
  if (!isLoopback || headers.origin !== undefined) {
    throw new MalformedRequest('The control listener answers on 127.0.0.1 only, and not to web pages');
  }
}

async function act(control: Control, action: string, body: Buffer): Promise<Reply> {
  const found = entries.get(action);
  if (found === undefined) {
    return failure(404, `There is no action "${action}". There are: ${[...entries.keys()].join(', ')}`);
  }
  const [name, entry] = found;
  const order = parse(body);
  const complaint = order === undefined ? 'The body must be a JSON object.' : complaintOf(action, entry, order);
  if (complaint !== undefined) {
    return { status: 400, body: { error: complaint, parameters: entry.parameters, example: entry.example } };
  }
  // The catalogue's check above makes the order fit the action.
  const run = control[name] as (order: unknown) => Promise<unknown>;
  return ok((await run(order)) ?? { done: true });
}

function parse(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  if (body.length === 0) return {};
  try {
    const order: unknown = JSON.parse(body.toString());
    return isRecord(order) ? order : undefined;
  } catch {
    return undefined;
  }
}

function complaintOf(
  action: string,
  { parameters }: CatalogueEntry,
  order: Readonly<Record<string, unknown>>,
): string | undefined {
  const unknown = Object.keys(order).find((member) => !Object.hasOwn(parameters, member));
  if (unknown !== undefined) return `${action} has no member "${unknown}".`;
  for (const [member, kind] of Object.entries(parameters)) {
    const value = order[member];
    if (value === undefined && kind.endsWith('?')) continue;
    const allowed = choices[`${action}.${member}`];
    if (allowed !== undefined && !allowed.includes(String(value)))
      return `${member} must be one of: ${allowed.join(', ')}.`;
    if (!fits(kind.replace(/\?$/, ''), value)) return `${member} must be a ${kind.replace(/\?$/, '')}.`;
  }
  return undefined;
}

function fits(kind: string, value: unknown): boolean {
  switch (kind) {
    case 'string[]':
      return Array.isArray(value) && value.every((member) => typeof member === 'string');
    case 'map of strings':
      return isRecord(value) && Object.values(value).every((member) => typeof member === 'string');
    case 'number|null':
      return value === null || fits('number', value);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) && value >= 0;
    default:
      return typeof value === kind;
  }
}

function overview(): object {
  return {
    about:
      'POST an action with a JSON body. GET /requests shows the requests to Azure, DELETE /requests clears them. GET /audit-events?vault=NAME shows the log of a vault as its owner sees it. GET /ingested-rows shows what data collection rules accepted.',
    actions: Object.fromEntries(
      [...entries].map(([action, [, entry]]) => [
        action,
        { does: entry.does, parameters: entry.parameters, example: entry.example },
      ]),
    ),
  };
}

/**
 * Returns the reply to a failed order. Unknown names and refusals by the vault itself are client
 * errors.
 */
function failureOf(error: unknown): Reply {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof VaultRefusal) return failure(error.status, message);
  return failure(400, message);
}

const isOf = (wanted: string | null, vault: string): boolean => wanted === null || wanted === vault;

const failure = (status: number, error: string): Reply => ({ status, body: { error } });

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

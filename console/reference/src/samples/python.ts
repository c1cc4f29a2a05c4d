import { isJson } from '../is-json.ts';
import {
  accessOf,
  Base64,
  type CallOptions,
  type ClientCall,
  clientCallOf,
  type Item,
  type Verb,
} from './client-calls.ts';
import { list, literal, python } from './literals.ts';
import type { Inputs, ServiceRequest } from './request.ts';

/** Calls of many items at once; the others are sent one by one. */
const MANY: Readonly<Partial<Record<Verb, string>>> = {
  encrypt: 'encrypt_many',
  decrypt: 'decrypt_many',
  encryptFields: 'encrypt_fields_many',
  decryptFields: 'decrypt_fields_many',
};

/** Returns the call with the client `vaultspan`; with httpx if the client does not have it. */
export function pythonSample(base: string, id: string, inputs: Inputs, request: ServiceRequest): string {
  const call = clientCallOf(id, inputs);
  const lines = call && callLines(call, inputs.body);
  return lines === undefined ? httpxSample(base, request) : clientSample(base, inputs, lines);
}

function clientSample(base: string, { parameters }: Inputs, lines: readonly string[]): string {
  const access = accessOf(parameters);
  const claims = Object.entries(access ?? {}).map(([name, value]) => `${name}=${literal(python, value)}`);
  const tenant = [literal(python, parameters['tenantId']), ...(access ? [`access=Access(${claims.join(', ')})`] : [])];
  const decodes = lines.some((line) => line.includes('b64decode('));
  return `import os
${decodes ? 'from base64 import b64decode\n' : ''}
from vaultspan import ${access ? 'Access, ' : ''}Vaultspan

with Vaultspan(${literal(python, base)}, token=os.environ["VAULTSPAN_TOKEN"]) as vaultspan:
    tenant = vaultspan.tenant(${tenant.join(', ')})
${lines.map((line) => `    ${line}\n`).join('')}`;
}

function callLines(call: ClientCall, body: Inputs['body']): readonly string[] | undefined {
  if (call.kind === 'stream') return streamLines(call.verb, call.options, body);
  if (call.kind === 'index') {
    const index = `tenant.index(${literal(python, call.index)})`;
    const shown = call.verb === 'decryptDeterministic' ? '[plaintext.text for plaintext in answer]' : 'answer';
    return [`answer = ${index}.${snake(call.verb)}(${argumentsOf(call.item)})`, `print(${shown})`];
  }
  const { kind, verb, items } = call;
  const [first] = items;
  if (kind === 'one' && first) {
    return [
      `answer = tenant.${snake(verb)}(${argumentsOf(first)})`,
      `print(answer${verb === 'decrypt' ? '.text' : ''})`,
    ];
  }
  return manyLines(verb, items);
}

/** Returns undefined for items that one call cannot have: those with different keys, and rewraps. */
function manyLines(verb: Verb, items: readonly Item[]): readonly string[] | undefined {
  const name = MANY[verb];
  const [first] = items;
  if (
    name === undefined ||
    !items.every(({ options }) => options.key === first?.options.key && options.to === undefined)
  ) {
    return undefined;
  }
  const inner = `${MARGIN}${python.indent}`;
  const parts = items.map(
    ({ value, options }) => `(${valueText(value, inner)}, ${literal(python, options.context ?? null, inner)})`,
  );
  const pairs = list(python, { open: '[', close: ']', parts, margin: MARGIN });
  const key = first?.options.key === undefined ? '' : `, key=${literal(python, first.options.key)}`;
  return [
    `answers = tenant.${name}(${pairs}${key})`,
    `print(${verb === 'decrypt' ? '[answer.text for answer in answers]' : 'answers'})`,
  ];
}

const MARGIN = '    ';

function streamLines(verb: string, options: CallOptions, body: Inputs['body']): readonly string[] {
  const named = keywords(options).map((keyword) => `, ${keyword}`);
  if (typeof body === 'string') {
    return [
      'with open("answer.bin", "wb") as answer:',
      `    for chunk in tenant.${verb}_stream([${literal(python, body)}.encode()]${named.join('')}):`,
      '        answer.write(chunk)',
    ];
  }
  return [
    `with open(${literal(python, body.name)}, "rb") as source, open("answer.bin", "wb") as answer:`,
    `    for chunk in tenant.${verb}_stream(iter(lambda: source.read(65536), b"")${named.join('')}):`,
    '        answer.write(chunk)',
  ];
}

const argumentsOf = ({ value, options }: Item): string => [valueText(value, MARGIN), ...keywords(options)].join(', ');

const keywords = (options: CallOptions): readonly string[] =>
  Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${literal(python, value, MARGIN)}`);

/** Returns a literal in which bytes are decoded. */
function valueText(value: unknown, margin: string): string {
  if (value instanceof Base64) return `b64decode(${literal(python, value.text)})`;
  const inner = `${margin}${python.indent}`;
  if (Array.isArray(value)) {
    return list(python, { open: '[', close: ']', parts: value.map((one) => valueText(one, inner)), margin });
  }
  if (typeof value !== 'object' || value === null) return literal(python, value);
  const parts = Object.entries(value).map(([name, one]) => `${python.name(name)}: ${valueText(one, inner)}`);
  return list(python, { open: '{', close: '}', parts, margin });
}

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function httpxSample(base: string, request: ServiceRequest): string {
  const { method, body } = request;
  const parts = [literal(python, new URL(request.path, base).href), ...headerParts(request), ...bodyParts(request)];
  const call = list(python, { open: `httpx.${method.toLowerCase()}(`, close: ')', parts, margin: '' });
  const isFile = request.answerType === 'application/octet-stream';
  const from = [
    ...(request.needsToken ? ['import os\n'] : []),
    ...(isFile || typeof body !== 'string' ? ['from pathlib import Path\n'] : []),
  ];
  return `${from.join('')}${from.length > 0 ? '\n' : ''}import httpx

response = ${call}
response.raise_for_status()
${answerLine(request.answerType)}
`;
}

function headerParts({ headers, needsToken, body }: ServiceRequest): readonly string[] {
  const { 'Content-Type': type, ...others } = headers;
  const isByJson = type === 'application/json' && typeof body === 'string' && isJson(body); // httpx adds the header
  const parts = [
    ...(needsToken ? [`"Authorization": f"Bearer {os.environ['VAULTSPAN_TOKEN']}"`] : []),
    ...Object.entries(isByJson ? others : headers).map(
      ([name, value]) => `${python.text(name)}: ${python.text(value)}`,
    ),
  ];
  return parts.length === 0 ? [] : [`headers=${list(python, { open: '{', close: '}', parts, margin: '    ' })}`];
}

function bodyParts({ body, headers }: ServiceRequest): readonly string[] {
  if (body === '') return [];
  if (typeof body !== 'string') return [`content=Path(${literal(python, body.name)}).read_bytes()`];
  if (headers['Content-Type'] === 'application/json' && isJson(body)) {
    return [`json=${literal(python, JSON.parse(body), '    ')}`];
  }
  return [`content=${literal(python, body)}`];
}

function answerLine(type: string): string {
  if (type === '') return 'print(response.status_code)';
  if (type === 'application/octet-stream') return 'Path("answer.bin").write_bytes(response.content)';
  return `print(response.${type === 'application/json' ? 'json()' : 'text'})`;
}

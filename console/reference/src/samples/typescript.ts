import { accessOf, Base64, type CallOptions, type ClientCall, clientCallOf, type Item } from './client-calls.ts';
import { list, literal, typescript } from './literals.ts';
import type { Inputs, ServiceRequest } from './request.ts';

/** Returns the call with @vaultspan/client; with `fetch` if the client does not have it. */
export function typescriptSample(base: string, id: string, inputs: Inputs, request: ServiceRequest): string {
  const call = clientCallOf(id, inputs);
  return call ? clientSample(base, inputs, call) : fetchSample(base, request);
}

function clientSample(base: string, { parameters, body }: Inputs, call: ClientCall): string {
  const access = accessOf(parameters);
  const tenant = [literal(typescript, parameters['tenantId']), ...(access ? [literal(typescript, { access })] : [])];
  const stream = call.kind === 'stream';
  return `${stream ? streamImports(body) : ''}import { Vaultspan } from '@vaultspan/client';

const vaultspan = new Vaultspan({ url: ${literal(typescript, base)}, token: process.env.VAULTSPAN_TOKEN! });
const tenant = vaultspan.tenant(${tenant.join(', ')});
${callLines(call, body)}
await vaultspan.close();
`;
}

function callLines(call: ClientCall, body: Inputs['body']): string {
  if (call.kind === 'stream') {
    return `${source(body)}
const answer = Writable.toWeb(createWriteStream('answer.bin'));
await source.pipeThrough(tenant.${call.verb}Stream(${optionText(call.options)})).pipeTo(answer);`;
  }
  if (call.kind === 'index') {
    const index = `tenant.index(${literal(typescript, call.index)})`;
    const shown = call.verb === 'decryptDeterministic' ? 'answer.map((plaintext) => plaintext.text())' : 'answer';
    return `const answer = await ${index}.${call.verb}(${argumentsOf(call.item, '')});\nconsole.log(${shown});`;
  }
  const { kind, verb, items } = call;
  const answer = (name: string): string => (verb === 'decrypt' ? `${name}.text()` : name);
  const [first] = items;
  if (kind === 'one' && first) {
    return `const answer = await tenant.${verb}(${argumentsOf(first, '')});\nconsole.log(${answer('answer')});`;
  }
  const parts = items.map((item) => `tenant.${verb}(${argumentsOf(item, '  ')})`);
  const calls = list(typescript, { open: '[', close: ']', parts, margin: '' });
  const shown = verb === 'decrypt' ? `answers.map((answer) => ${answer('answer')})` : 'answers';
  return `// Calls that are made together travel as one batch.\nconst answers = await Promise.all(${calls});\nconsole.log(${shown});`;
}

function argumentsOf({ value, options }: Item, margin: string): string {
  const shown = optionText(options, margin);
  return shown === '' ? valueText(value, margin) : `${valueText(value, margin)}, ${shown}`;
}

function optionText(options: CallOptions, margin = ''): string {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return Object.keys(given).length === 0 ? '' : literal(typescript, given, margin);
}

/** Returns a literal in which bytes are decoded. */
function valueText(value: unknown, margin: string): string {
  if (value instanceof Base64) return `Buffer.from(${literal(typescript, value.text)}, 'base64')`;
  const inner = `${margin}${typescript.indent}`;
  if (Array.isArray(value)) {
    return list(typescript, { open: '[', close: ']', parts: value.map((one) => valueText(one, inner)), margin });
  }
  if (typeof value !== 'object' || value === null) return literal(typescript, value);
  const parts = Object.entries(value).map(([name, one]) => `${typescript.name(name)}: ${valueText(one, inner)}`);
  return list(typescript, { open: '{', close: '}', padding: ' ', parts, margin });
}

const streamImports = (body: Inputs['body']): string =>
  `import { createWriteStream${typeof body === 'string' ? '' : ', openAsBlob'} } from 'node:fs';
import { Writable } from 'node:stream';
`;

const source = (body: Inputs['body']): string =>
  typeof body === 'string'
    ? `const source = new Blob([${literal(typescript, body)}]).stream();`
    : `const source = (await openAsBlob(${literal(typescript, body.name)})).stream();`;

function fetchSample(base: string, request: ServiceRequest): string {
  const { method, headers, body } = request;
  const lines = [
    ...(method === 'GET' ? [] : [`method: ${literal(typescript, method)}`]),
    ...headerLines(headers, request.needsToken),
    ...(body === '' ? [] : [`body: ${bodyText(body)}`]),
  ];
  const init = lines.length === 0 ? '' : `, {\n${lines.map((line) => `  ${line},\n`).join('')}}`;
  return `${fileImports(request)}const response = await fetch(${literal(typescript, new URL(request.path, base).href)}${init});
if (!response.ok) throw new Error(await response.text());
${answerLine(request.answerType)}
`;
}

function headerLines(headers: Readonly<Record<string, string>>, needsToken: boolean): readonly string[] {
  const parts = [
    ...(needsToken ? [`Authorization: \`Bearer \${process.env.VAULTSPAN_TOKEN}\``] : []),
    ...Object.entries(headers).map(([name, value]) => `${typescript.name(name)}: ${literal(typescript, value)}`),
  ];
  return parts.length === 0
    ? []
    : [`headers: ${list(typescript, { open: '{', close: '}', padding: ' ', parts, margin: '  ' })}`];
}

function bodyText(body: string | File): string {
  if (typeof body !== 'string') return `await openAsBlob(${literal(typescript, body.name)})`;
  try {
    return `JSON.stringify(${literal(typescript, JSON.parse(body), '  ')})`;
  } catch {
    return literal(typescript, body);
  }
}

function fileImports({ body, answerType }: ServiceRequest): string {
  const names = [
    ...(typeof body === 'string' ? [] : ["import { openAsBlob } from 'node:fs';\n"]),
    ...(answerType === 'application/octet-stream' ? ["import { writeFile } from 'node:fs/promises';\n"] : []),
  ];
  return names.length === 0 ? '' : `${names.join('')}\n`;
}

function answerLine(type: string): string {
  if (type === '') return 'console.log(response.status);';
  if (type === 'application/octet-stream')
    return "await writeFile('answer.bin', new Uint8Array(await response.arrayBuffer()));";
  return `console.log(await response.${type === 'application/json' ? 'json' : 'text'}());`;
}

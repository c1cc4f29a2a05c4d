import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import fc from 'fast-check';
import { dataReaders } from '../src/http/bodies/data-readers.ts';
import { operations } from '../src/http/contract/contract.ts';
import { printTable, writeResults } from '../test/support/bench-report.ts';
import { type DataBody, dataBodies, type Reader } from '../test/support/data-bodies.ts';
import { messages, negatives } from '../test/support/vectors.ts';
import { openCheckout } from './checkout.ts';

/**
 * The refusals of two checkouts: the same bad bodies are sent to both, and each difference in status,
 * headers or body is counted by its kind. Argument: the other checkout, with its packages installed.
 */
const REFUSALS = Number(process.env['BENCH_REFUSALS'] ?? 10_000);
const SEED = Number(process.env['BENCH_SEED'] ?? 13);
/** A member that the other checkout does not know: bodies that contain this text are left out. */
const WITHOUT = process.env['BENCH_WITHOUT'];
const [otherCheckout] = process.argv.slice(2);
if (otherCheckout === undefined) throw new Error('usage: npm run bench -- refusals OTHER_CHECKOUT');

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

interface Difference {
  count: number;
  readonly example: string;
}

const VERDICT = 'VERDICT';
const agent = new Agent({ keepAlive: true });
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** Values that differ between two processes, or two deployments, with the same answer. */
const MESSAGE = /"eyJ[\w-]+(?:\.[\w-]*){4}"/g;
const CHANGING = /"(ciphertext|plaintext|keyId|expiresAt|wrappedKey)":"[^"]*"/g;

function post(url: string, token: string, bytes: Buffer): Promise<Answer> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve(answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks))));
    });
    sent.on('error', reject).end(bytes);
  });
}

function answerOf(status: number, all: IncomingHttpHeaders, bytes: Buffer): Answer {
  const { date: _date, 'x-request-id': _id, 'content-length': _length, ...headers } = all;
  const body = bytes.toString().replaceAll(UUID, 'UUID').replaceAll(CHANGING, '"$1":"…"').replaceAll(MESSAGE, '"…"');
  return { status, headers, body };
}

const isRefusal = ({ status, body }: Answer): boolean => status >= 400 || body.includes('"error":');

/** A refusal of a request, or of one item of a batch. */
interface Problem {
  readonly code?: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
}

function problemsIn({ status, body }: Answer): readonly Problem[] {
  const answer = JSON.parse(body) as Problem & { readonly items?: readonly { readonly error?: Problem }[] };
  if (status >= 400) return [answer];
  return (answer.items ?? []).map(({ error }) => error ?? {});
}

/** Returns what programs see of an answer: all but its sentences. */
const verdictOf = (answer: Answer): string =>
  [
    answer.status,
    ...problemsIn(answer).map(({ code = 'ok', reason = '', errors = [] }) =>
      [code, reason, ...errors.map(({ pointer }) => pointer.replaceAll(/\/\d+/g, '/#'))].filter(Boolean).join(' '),
    ),
  ].join(', ');

/** Returns the sentences, without places, lengths and quoted values. */
const sentencesOf = (answer: Answer): readonly string[] =>
  problemsIn(answer)
    .flatMap(({ detail = '', errors = [] }) => [
      ...errors.map((error) => error.detail),
      errors.length > 0 ? '' : detail,
    ])
    .map((text) => text.replaceAll(/"(?:[^"\\]|\\.)*"|`[^`]*`|\d+/g, '#'));

/** Returns the kinds of a difference: one for each sentence if only sentences differ. */
function kindsOf(theirs: Answer, mine: Answer): readonly string[] {
  const [before, now] = [verdictOf(theirs), verdictOf(mine)];
  if (before !== now) return [`${VERDICT} ${shortVerdict(before, now)}`];
  const [old, others] = [sentencesOf(theirs), sentencesOf(mine)];
  const pairs = old.map((text, at) => `${text}  →  ${others[at] ?? ''}`).filter((_, at) => old[at] !== others[at]);
  const headers = headersThatDiffer(theirs, mine);
  if (pairs.length === 0 && headers === '') return [`OTHER ${partThatDiffers(theirs, mine)}`];
  return [...new Set([...pairs, ...(headers === '' ? [] : [`HEADERS ${headers}`])])];
}

/** Returns the text around the first letter that differs. */
function partThatDiffers({ body: theirs }: Answer, { body: mine }: Answer): string {
  const at = [...theirs].findIndex((letter, index) => letter !== mine[index]);
  const around = (text: string) => text.slice(Math.max(0, at - 40), at + 40);
  return `${around(theirs)}  →  ${around(mine)}`;
}

/** Returns the parts of two verdicts that differ. */
function shortVerdict(before: string, now: string): string {
  const [old, others] = [before.split(', '), now.split(', ')];
  const only = (some: readonly string[], than: readonly string[]) =>
    [...new Set(some.filter((part) => !than.includes(part)))].join(', ') || some[0];
  return `${only(old, others)}  →  ${only(others, old)}`;
}

const headersThatDiffer = (theirs: Answer, ours: Answer): string =>
  [...new Set([...Object.keys(theirs.headers), ...Object.keys(ours.headers)])]
    .filter((name) => String(theirs.headers[name]) !== String(ours.headers[name]))
    .map((name) => `${name} ${String(theirs.headers[name])} → ${String(ours.headers[name])}`)
    .join(', ');

const ours = await openCheckout(join(import.meta.dirname, '..'));
const other = await openCheckout(otherCheckout);
const sides = [other, ours] as const;
const warm = Buffer.from('{"plaintext":"aGk="}');
for (const { server, token } of sides) await post(`${server.url}/tenants/contoso/encrypt`, token, warm);

const pathOf = (reader: Reader) => operations[reader].path.replace('{tenantId}', 'contoso');
const readers: Reader[] = [];
for (const reader of Object.keys(dataReaders) as Reader[]) {
  const { status, body } = await post(other.server.url + pathOf(reader), other.token, Buffer.from('{}'));
  if (status === 404) process.stderr.write(`${pathOf(reader)}: not in the other checkout (${body.slice(0, 80)})\n`);
  else readers.push(reader);
}
const ciphertexts = [...messages.cases, ...negatives.cases].map(({ ciphertext }) => ciphertext);
const bodies: readonly DataBody[] = fc.sample(dataBodies(readers, ciphertexts), { seed: SEED, numRuns: 3 * REFUSALS });
const differences = new Map<string, Difference>();
const counts = { sent: 0, refused: 0, equal: 0, verdicts: 0 };
for (const { reader, bytes } of bodies) {
  if (counts.refused === REFUSALS) break;
  if (WITHOUT !== undefined && bytes.includes(WITHOUT)) continue;
  const path = pathOf(reader);
  const [theirs, mine] = await Promise.all([
    post(other.server.url + path, other.token, bytes),
    post(ours.server.url + path, ours.token, bytes),
  ]);
  counts.sent += 1;
  if (!isRefusal(theirs) && !isRefusal(mine)) continue;
  counts.refused += 1;
  const isEqual = JSON.stringify(theirs) === JSON.stringify(mine);
  if (isEqual) counts.equal += 1;
  if (verdictOf(theirs) !== verdictOf(mine)) counts.verdicts += 1;
  for (const kind of isEqual ? [] : kindsOf(theirs, mine)) {
    const known = differences.get(kind);
    if (known) known.count += 1;
    else differences.set(kind, { count: 1, example: `${path} ${bytes.toString().slice(0, 100)}` });
  }
}
agent.destroy();
for (const { site, server } of sides) {
  await server.stop();
  await site.close();
}
const isVerdict = (kind: string): number => Number(kind.startsWith(VERDICT));
const sorted = [...differences].sort(([a, one], [b, two]) => isVerdict(b) - isVerdict(a) || two.count - one.count);
printTable(
  `Refusals of two checkouts, seed ${SEED}: ${counts.sent} bodies, ${counts.refused} refused, ${counts.equal} answers equal byte by byte, ${counts.verdicts} with another status, code, reason or pointer`,
  ['answers', 'the other checkout  →  this one', 'the first of them'],
  sorted.map(([kind, { count, example }]) => [`${count}`, kind, JSON.stringify(example)]),
);
await writeResults('refusals', [counts, ...sorted.map(([kind, { count, example }]) => ({ kind, count, example }))]);

import type * as z from 'zod';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { decodedBytes } from '../../format/base64.ts';
import type { ByteList } from '../../format/byte-list.ts';
import { base64TextOf } from '../../lib/json-safe.ts';
import { releaseMemory } from '../../lib/memory.ts';
import { parseInput } from '../../lib/parse-input.ts';
import type { Outcome } from '../../operations/batch.ts';
import { type DecryptDeps, type Decrypted, decryptBatch } from '../../operations/decrypt-data.ts';
import { type EncryptDeps, type Encrypted, encryptBatch } from '../../operations/encrypt-data.ts';
import { decryptLists } from '../../operations/lists/decrypt-lists.ts';
import { encryptLists } from '../../operations/lists/encrypt-lists.ts';
import { countOf, type FrameOf, itemsIn, type ListBatch, type ListResult } from '../../operations/lists/lists.ts';
import { rewrapLists } from '../../operations/lists/rewrap-lists.ts';
import { type RewrapDeps, rewrapBatch } from '../../operations/rewrap-data.ts';
import type { Admission } from '../admission/admission.ts';
import { openedFrame, sealedFrame } from '../answers/encode-answer.ts';
import { isWorthLogging, type Problem, type ProblemDeps, problemOf, toFailure } from '../answers/problem.ts';
import type { ReadBatch } from '../bodies/data-readers.ts';
import { DecryptRequest, EncryptRequest, RewrapRequest } from '../contract/fields.ts';
import type { Handler } from './mount.ts';

export interface BatchDeps extends Pick<ProblemDeps, 'onFailure'> {
  readonly admission: Pick<Admission, 'chargeItems'>;
}

export const encryptBatchRoute =
  (deps: EncryptDeps & BatchDeps): Handler<'encryptBatch'> =>
  async ({ params: { tenantId }, body }, request) => {
    assertTogether(
      'ready' in body ? body.plaintextBytes : bytesOf(body.items.map(({ plaintext }) => plaintext)),
      deps.maxPlaintextBytes,
    );
    if ('list' in body) {
      const batch = listBatch(deps, request, tenantId, body, sealedFrame);
      const results = await encryptLists(deps, request, batch);
      for (const { list } of batch.runs) wipe(list.bytes);
      return answerList(deps, request, results, encryptedItem);
    }
    const items = itemsOf(deps, request, EncryptRequest, body);
    const outcomes = await encryptBatch(deps, request, { tenantId, items });
    if ('ready' in body) for (const { plaintext } of body.ready) wipe(plaintext);
    return answer(deps, request, outcomes, encryptedItem);
  };

export const decryptBatchRoute =
  (deps: DecryptDeps & BatchDeps): Handler<'decryptBatch'> =>
  async ({ params: { tenantId }, body }, request) => {
    if ('list' in body) {
      const batch = listBatch(deps, request, tenantId, body, openedFrame);
      const results = await decryptLists(deps, request, batch);
      for (const { list } of batch.runs) releaseMemory(list.bytes);
      return answerList(deps, request, results, decryptedItem);
    }
    const items = itemsOf(deps, request, DecryptRequest, body);
    return answer(deps, request, await decryptBatch(deps, request, { tenantId, items }), decryptedItem);
  };

export const rewrapBatchRoute =
  (deps: RewrapDeps & BatchDeps): Handler<'rewrapBatch'> =>
  async ({ params: { tenantId }, body }, request) => {
    if ('list' in body) {
      const batch = listBatch(deps, request, tenantId, body, sealedFrame);
      const results = await rewrapLists(deps, request, batch);
      for (const { list } of batch.runs) releaseMemory(list.bytes);
      return answerList(deps, request, results, encryptedItem);
    }
    const items = itemsOf(deps, request, RewrapRequest, body);
    return answer(deps, request, await rewrapBatch(deps, request, { tenantId, items }), encryptedItem);
  };

const encryptedItem = ({ ciphertext, keyId }: Encrypted) => ({ ciphertext, keyId });

/** Returns the result of an item. Its plaintext is overwritten. */
function decryptedItem({ plaintext, keyId }: Decrypted) {
  const text = base64TextOf(plaintext);
  wipe(plaintext);
  return { plaintext: text, keyId };
}

function wipe(plaintext: Buffer): void {
  plaintext.fill(0);
  releaseMemory(plaintext);
}

/** Returns a batch of lists. Its items count as so many calls of the caller. */
function listBatch<I, R extends { readonly list: ByteList }>(
  deps: BatchDeps,
  request: AuthenticatedRequest,
  tenantId: string,
  body: ReadBatch<I, R>,
  frameOf: FrameOf,
): ListBatch<I, R> {
  const { list: runs = [] } = body;
  chargeItems(deps, request, itemsIn(runs));
  const onFailure = (failure: unknown) =>
    deps.onFailure({ requestId: request.requestId, operation: undefined }, failure);
  return { tenantId, runs, frameOf, onFailure, items: () => readItems(body) };
}

/**
 * Checks the total size of a batch.
 * @throws ServiceError `body-too-large` if the plaintexts together have more bytes than one may
 * have
 */
export function assertTogether(bytes: number, max: number): void {
  if (bytes <= max) return;
  throw new ServiceError(
    'body-too-large',
    `The plaintexts of a batch may have at most ${max} bytes in total; send several batches`,
    {
      errors: [{ pointer: '/items', detail: `have ${bytes} bytes of plaintext, more than ${max}` }],
    },
  );
}

/** Returns the size of plaintexts that are not parsed yet; what is no text has none. */
export const bytesOf = (plaintexts: readonly unknown[]): number =>
  plaintexts.reduce<number>((sum, text) => sum + (typeof text === 'string' ? decodedBytes(text) : 0), 0);

/**
 * Returns the items, each parsed when its turn comes unless all were read already. They count as so
 * many calls of the caller.
 */
export function itemsOf<T extends z.ZodType, R = never>(
  deps: BatchDeps,
  request: AuthenticatedRequest,
  schema: T,
  body: { readonly items: readonly unknown[] } | ReadBatch<R, unknown>,
): (() => z.output<T> | R)[] {
  if ('ready' in body) {
    const items = readItems(body);
    chargeItems(deps, request, items.length);
    return items;
  }
  chargeItems(deps, request, body.items.length);
  return body.items.map((item) => () => parseInput(schema, item, ''));
}

const chargeItems = ({ admission }: BatchDeps, { principal }: AuthenticatedRequest, count: number): void =>
  admission.chargeItems(principal.id, count);

const readItems = <R>({ ready }: ReadBatch<R, unknown>): (() => R)[] => ready.map((item) => () => item);

/**
 * Returns the answer of a batch: each item's result or its problem. `member` is the one of the
 * request that has the items.
 */
export const answer = <T, R>(
  deps: BatchDeps,
  request: AuthenticatedRequest,
  outcomes: readonly Outcome<T>[],
  resultOf: (value: T) => R,
  member = 'items',
) => ({ items: outcomes.map((outcome, at) => itemOf(deps, request, outcome, resultOf, `/${member}/${at}`)) });

/** Returns the answer of a list: items that are done, then the others. */
function answerList<T, R>(
  deps: BatchDeps,
  request: AuthenticatedRequest,
  { done, rest }: ListResult<T>,
  resultOf: (value: T) => R,
) {
  const from = countOf(done);
  const others = rest.map((outcome, n) => itemOf(deps, request, outcome, resultOf, `/items/${from + n}`));
  return { items: [...done, ...others] };
}

const itemOf = <T, R>(
  deps: BatchDeps,
  request: AuthenticatedRequest,
  outcome: Outcome<T>,
  resultOf: (value: T) => R,
  place: string,
) => ('value' in outcome ? resultOf(outcome.value) : { error: itemProblem(deps, request, outcome.failure, place) });

/** Returns the answer of the single call; pointers are those of the batch's body. */
function itemProblem(deps: BatchDeps, request: AuthenticatedRequest, thrown: unknown, at: string): Problem {
  const failure = toFailure(thrown);
  if (isWorthLogging(failure)) deps.onFailure({ requestId: request.requestId, operation: undefined }, failure);
  const { errors, ...problem } = problemOf(failure, request.requestId);
  return errors
    ? { ...problem, errors: errors.map(({ pointer, detail }) => ({ pointer: `${at}${pointer}`, detail })) }
    : problem;
}

import type * as z from 'zod';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { decodedBytes } from '../../format/base64.ts';
import { base64TextOf } from '../../lib/json-safe.ts';
import { releaseMemory } from '../../lib/memory.ts';
import { parseInput } from '../../lib/parse-input.ts';
import type { Outcome } from '../../operations/batch.ts';
import { type DecryptDeps, type Decrypted, decryptBatch } from '../../operations/decrypt-data.ts';
import { type EncryptDeps, type Encrypted, encryptBatch } from '../../operations/encrypt-data.ts';
import { decryptLists } from '../../operations/lists/decrypt-lists.ts';
import { encryptList } from '../../operations/lists/encrypt-list.ts';
import { countOf, type ListResult } from '../../operations/lists/lists.ts';
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
    const sealed = ({ ciphertext, keyId }: Encrypted) => ({ ciphertext, keyId });
    if ('list' in body) {
      const { list } = body;
      chargeItems(deps, request, list.ends.length);
      const input = { tenantId, list, frameOf: sealedFrame, items: () => readItems(body) };
      const results = await encryptList(deps, request, input);
      releaseMemory(list.bytes);
      return answerList(deps, request, results, sealed);
    }
    const items = itemsOf(deps, request, EncryptRequest, body);
    return answer(deps, request, await encryptBatch(deps, request, { tenantId, items }), sealed);
  };

export const decryptBatchRoute =
  (deps: DecryptDeps & BatchDeps): Handler<'decryptBatch'> =>
  async ({ params: { tenantId }, body }, request) => {
    const opened = ({ plaintext, keyId }: Decrypted) => ({ plaintext: base64TextOf(plaintext), keyId });
    if ('list' in body) {
      const { list: runs } = body;
      chargeItems(
        deps,
        request,
        runs.reduce((sum, { list }) => sum + list.ends.length, 0),
      );
      const input = { tenantId, runs, frameOf: openedFrame, items: () => readItems(body) };
      const results = await decryptLists(deps, request, input);
      for (const { list } of runs) releaseMemory(list.bytes);
      return answerList(deps, request, results, opened);
    }
    const items = itemsOf(deps, request, DecryptRequest, body);
    return answer(deps, request, await decryptBatch(deps, request, { tenantId, items }), opened);
  };

export const rewrapBatchRoute =
  (deps: RewrapDeps & BatchDeps): Handler<'rewrapBatch'> =>
  async ({ params: { tenantId }, body }, request) => {
    const outcomes = await rewrapBatch(deps, request, {
      tenantId,
      items: itemsOf(deps, request, RewrapRequest, body),
    });
    return answer(deps, request, outcomes, ({ ciphertext, keyId }) => ({ ciphertext, keyId }));
  };

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

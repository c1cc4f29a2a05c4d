import type * as z from 'zod';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { decodedBytes } from '../../format/base64.ts';
import { base64TextOf } from '../../lib/json-safe.ts';
import { parseInput } from '../../lib/parse-input.ts';
import type { Outcome } from '../../operations/batch.ts';
import { type DecryptDeps, decryptBatch } from '../../operations/decrypt-data.ts';
import { type EncryptDeps, encryptBatch } from '../../operations/encrypt-data.ts';
import { type RewrapDeps, rewrapBatch } from '../../operations/rewrap-data.ts';
import type { Admission } from '../admission/admission.ts';
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
    const outcomes = await encryptBatch(deps, request, {
      tenantId,
      items: itemsOf(deps, request, EncryptRequest, body),
    });
    return answer(deps, request, outcomes, ({ ciphertext, keyId }) => ({ ciphertext, keyId }));
  };

export const decryptBatchRoute =
  (deps: DecryptDeps & BatchDeps): Handler<'decryptBatch'> =>
  async ({ params: { tenantId }, body }, request) => {
    const outcomes = await decryptBatch(deps, request, {
      tenantId,
      items: itemsOf(deps, request, DecryptRequest, body),
    });
    return answer(deps, request, outcomes, ({ plaintext, keyId }) => ({
      plaintext: base64TextOf(plaintext),
      keyId,
    }));
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
  body: { readonly items: readonly unknown[] } | ReadBatch<R>,
): (() => z.output<T> | R)[] {
  const items = 'ready' in body ? body.ready : body.items;
  deps.admission.chargeItems(request.principal.id, items.length);
  if ('ready' in body) return body.ready.map((item) => () => item);
  return body.items.map((item) => () => parseInput(schema, item, ''));
}

/**
 * Returns the answer of a batch: each item's result or its problem. `member` is the one of the
 * request that has the items.
 */
export function answer<T, R>(
  deps: BatchDeps,
  request: AuthenticatedRequest,
  outcomes: readonly Outcome<T>[],
  resultOf: (value: T) => R,
  member = 'items',
) {
  const items = outcomes.map((outcome, at) =>
    'value' in outcome
      ? resultOf(outcome.value)
      : { error: itemProblem(deps, request, outcome.failure, `/${member}/${at}`) },
  );
  return { items };
}

/** Returns the answer of the single call; pointers are those of the batch's body. */
function itemProblem(deps: BatchDeps, request: AuthenticatedRequest, thrown: unknown, at: string): Problem {
  const failure = toFailure(thrown);
  if (isWorthLogging(failure)) deps.onFailure({ requestId: request.requestId, operation: undefined }, failure);
  const { errors, ...problem } = problemOf(failure, request.requestId);
  return errors
    ? { ...problem, errors: errors.map(({ pointer, detail }) => ({ pointer: `${at}${pointer}`, detail })) }
    : problem;
}

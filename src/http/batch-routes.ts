import type * as z from 'zod';
import type { Call } from '../callers/call.ts';
import type { Outcome } from '../operations/batch.ts';
import { type DecryptDeps, decryptBatch } from '../operations/decrypt.ts';
import { type EncryptDeps, encryptBatch } from '../operations/encrypt.ts';
import { type RewrapDeps, rewrapBatch } from '../operations/rewrap.ts';
import type { Handler } from './mount.ts';
import { parseInput } from './parse-input.ts';
import { type Problem, type ProblemDeps, problemOf, toFailure } from './problem.ts';
import { problemTable } from './problem-table.ts';
import { DecryptRequest, EncryptRequest, RewrapRequest } from './schemas.ts';

type FailureDeps = Pick<ProblemDeps, 'onFailure'>;

export const encryptBatchRoute =
  (deps: EncryptDeps & FailureDeps): Handler<'encryptBatch'> =>
  async ({ params: { tenantId }, body }, call) => {
    const outcomes = await encryptBatch(deps, call, { tenantId, items: body.items.map(parseItem(EncryptRequest)) });
    return answer(deps, call, outcomes, ({ ciphertext, keyId }) => ({ ciphertext, keyId }));
  };

export const decryptBatchRoute =
  (deps: DecryptDeps & FailureDeps): Handler<'decryptBatch'> =>
  async ({ params: { tenantId }, body }, call) => {
    const outcomes = await decryptBatch(deps, call, { tenantId, items: body.items.map(parseItem(DecryptRequest)) });
    return answer(deps, call, outcomes, ({ plaintext, keyId }) => ({ plaintext: plaintext.toString('base64'), keyId }));
  };

export const rewrapBatchRoute =
  (deps: RewrapDeps & FailureDeps): Handler<'rewrapBatch'> =>
  async ({ params: { tenantId }, body }, call) => {
    const outcomes = await rewrapBatch(deps, call, { tenantId, items: body.items.map(parseItem(RewrapRequest)) });
    return answer(deps, call, outcomes, ({ ciphertext, keyId }) => ({ ciphertext, keyId }));
  };

const parseItem =
  <T extends z.ZodType>(schema: T) =>
  (item: unknown): Outcome<z.output<T>> => {
    try {
      return { value: parseInput(schema, item, '') };
    } catch (failure) {
      return { failure };
    }
  };

function answer<T, R>(deps: FailureDeps, call: Call, outcomes: readonly Outcome<T>[], resultOf: (value: T) => R) {
  const items = outcomes.map((outcome, at) =>
    'value' in outcome ? resultOf(outcome.value) : { error: itemProblem(deps, call, outcome.failure, at) },
  );
  return { items };
}

/** What the single call would have answered; pointers are those of the batch's body. */
function itemProblem(deps: FailureDeps, call: Call, thrown: unknown, at: number): Problem {
  const failure = toFailure(thrown);
  if (problemTable[failure.code].status >= 500)
    deps.onFailure({ requestId: call.requestId, operation: undefined }, failure);
  const { errors, ...problem } = problemOf(failure, call.requestId);
  return errors
    ? { ...problem, errors: errors.map(({ pointer, detail }) => ({ pointer: `/items/${at}${pointer}`, detail })) }
    : problem;
}

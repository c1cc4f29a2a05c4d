import * as z from 'zod';
import {
  DecryptRequest,
  DecryptResult,
  Document,
  EncryptRequest,
  EncryptResult,
  named,
  RewrapRequest,
} from './fields.ts';
import { ProblemResult } from './problem-schema.ts';

export const MAX_ITEMS = 1_000;

/** Items are objects here and checked one by one later, so that one bad item fails alone. */
export const BatchRequest = z.strictObject({
  // The number first: a million wrong items would make as many complaints.
  items: z.array(z.unknown()).max(MAX_ITEMS).pipe(z.array(Document)),
});

const request = (name: string, item: z.ZodType) =>
  named(
    name,
    z.strictObject({
      items: z
        .array(item)
        .max(MAX_ITEMS)
        .meta({ description: `At most ${MAX_ITEMS}.` }),
    }),
  );

/** Flat, since generated clients have no use for a choice of two shapes. */
const result = <T extends z.ZodRawShape>(name: string, item: z.ZodObject<T>) =>
  named(
    name,
    z.object({
      items: z
        .array(
          named(
            `${name}Item`,
            item.partial().extend({
              error: ProblemResult.optional().meta({ description: 'Why there is no result.' }),
            }),
          ),
        )
        .meta({ description: 'As many as were asked, in their order.' }),
    }),
  );

export const EncryptBatchRequest = request('EncryptBatchRequest', EncryptRequest);
export const DecryptBatchRequest = request('DecryptBatchRequest', DecryptRequest);
export const RewrapBatchRequest = request('RewrapBatchRequest', RewrapRequest);
export const EncryptBatchResult = result('EncryptBatchResult', EncryptResult);
export const DecryptBatchResult = result('DecryptBatchResult', DecryptResult);

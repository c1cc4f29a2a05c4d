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

/**
 * The batch as a whole. Each item is checked later, so that one bad item does not fail the others.
 */
export const BatchRequest = z.strictObject({
  // The count is checked first: a million wrong items would make a million errors.
  items: z.array(z.unknown()).max(MAX_ITEMS).pipe(z.array(Document)),
});

/** Returns the printed request of a batch of such items. */
export const batchRequest = (name: string, item: z.ZodType) =>
  named(
    name,
    z.strictObject({
      items: z
        .array(item)
        .max(MAX_ITEMS)
        .meta({ description: `At most ${MAX_ITEMS} items.` }),
    }),
  );

/** One flat shape: generated clients handle a choice of two shapes badly. */
export const batchResult = <T extends z.ZodRawShape>(name: string, item: z.ZodObject<T>) =>
  named(
    name,
    z.object({
      items: z
        .array(
          named(
            `${name}Item`,
            item.partial().extend({
              error: ProblemResult.optional().meta({ description: 'Why the item has no result.' }),
            }),
          ),
        )
        .meta({ description: 'One per item of the request, in the same order.' }),
    }),
  );

export const EncryptBatchRequest = batchRequest('EncryptBatchRequest', EncryptRequest);
export const DecryptBatchRequest = batchRequest('DecryptBatchRequest', DecryptRequest);
export const RewrapBatchRequest = batchRequest('RewrapBatchRequest', RewrapRequest);
export const EncryptBatchResult = batchResult('EncryptBatchResult', EncryptResult);
export const DecryptBatchResult = batchResult('DecryptBatchResult', DecryptResult);

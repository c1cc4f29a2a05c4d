import * as z from 'zod';
import { problemTable } from '../answers/problem-table.ts';
import { named } from './fields.ts';

export const ProblemFix = named(
  'ProblemFix',
  z.object({
    owner: z.string().meta({ description: 'Who can fix it: `vendor`, `customer-admin` or `resource-owner`.' }),
    action: z.string().meta({ description: 'What that person has to do.' }),
    command: z.string().optional().meta({ description: 'The command to run, with the real ids in it.' }),
  }),
);
const ProblemField = named(
  'ProblemField',
  z.object({
    pointer: z.string().meta({
      description: 'JSON pointer (RFC 6901) into the body, or `/path/NAME`, `/query/NAME` or `/header/NAME`.',
    }),
    detail: z.string().meta({ description: 'What is wrong with the field.' }),
  }),
);

const codes = Object.keys(problemTable);

/** RFC 9457. */
export const ProblemResult = named(
  'Problem',
  z.object({
    type: z.string().meta({ description: '`urn:vaultspan:problem:` followed by the code.' }),
    title: z.string().meta({ description: 'What the code means.' }),
    status: z.int32().meta({ description: 'The HTTP status.' }),
    code: z.string().meta({
      description: `One of ${codes.map((code) => `\`${code}\``).join(', ')}. A code is never renamed; later versions may add codes.`,
    }),
    detail: z.string().meta({ description: 'What happened to this request.' }),
    requestId: z
      .string()
      .meta({ description: 'The UUID of the request. `X-Request-Id` and the audit log have it too.' }),
    reason: z
      .string()
      .optional()
      .meta({ description: 'The cause within the code, such as `role-missing` or `key-disabled`.' }),
    fix: ProblemFix.optional(),
    retryAfter: z
      .int32()
      .optional()
      .meta({ description: 'Seconds to wait before the next try; also in `Retry-After`.' }),
    errors: z.array(ProblemField).optional().meta({ description: 'The fields at fault, at most 16.' }),
  }),
);

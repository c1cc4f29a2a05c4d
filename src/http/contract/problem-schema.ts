import * as z from 'zod';
import { problemTable } from '../answers/problem-table.ts';
import { named } from './fields.ts';

export const ProblemFix = named(
  'ProblemFix',
  z.object({
    owner: z.string().meta({ description: 'Who can mend it: `vendor`, `customer-admin` or `resource-owner`.' }),
    action: z.string(),
    command: z.string().optional().meta({ description: 'What to paste, with the real ids in it.' }),
  }),
);
const ProblemField = named(
  'ProblemField',
  z.object({
    pointer: z.string().meta({ description: 'JSON pointer (RFC 6901) into the body, or `/path/NAME`.' }),
    detail: z.string(),
  }),
);

const codes = Object.keys(problemTable);

/** RFC 9457. */
export const ProblemResult = named(
  'Problem',
  z.object({
    type: z.string().meta({ description: '`urn:vaultspan:problem:` and the code.' }),
    title: z.string(),
    status: z.int32(),
    code: z.string().meta({
      description: `One of ${codes.map((code) => `\`${code}\``).join(', ')}. Never renamed; new ones may come.`,
    }),
    detail: z.string(),
    requestId: z.string().meta({ description: 'UUID of the request, also in `X-Request-Id` and in the audit log.' }),
    reason: z
      .string()
      .optional()
      .meta({ description: 'Why, within the code, such as `role-missing` or `key-disabled`.' }),
    fix: ProblemFix.optional(),
    retryAfter: z.int32().optional().meta({ description: 'Seconds; also in `Retry-After`.' }),
    errors: z.array(ProblemField).optional(),
  }),
);

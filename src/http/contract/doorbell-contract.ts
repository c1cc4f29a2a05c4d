import * as z from 'zod';
import type { Operation } from './operation.ts';

export const doorbellOperations = {
  ringDoorbell: {
    auditedAs: 'doorbell',
    method: 'post',
    path: '/doorbell/{bell}',
    tag: 'Doorbell',
    summary: "Make every process ask the customer's vault again",
    description:
      "For the customer, after it has revoked access: within a second every process drops the tenant's data keys, sign-ins and proofs of access, and must ask the vault at the next use. It cannot grant anything. The answer is 202 for every bell, known or not. A bell has an effect at most once in 10 s, and all callers together are limited.",
    params: z.object({
      bell: z.string().meta({
        description: 'The bell that `vaultspan bell show` printed: 43 characters of base64url.',
        example: 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA',
      }),
    }),
    isAccepted: true,
    errors: ['registry-unavailable', 'audit-unavailable'],
  },
} as const satisfies Record<string, Operation>;

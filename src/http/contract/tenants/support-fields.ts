import * as z from 'zod';
import { named } from '../fields.ts';
import { ProblemFix } from '../problem-schema.ts';

const CheckStepAnswer = named(
  'CheckStep',
  z.object({
    name: z.string().meta({ example: 'unwrap with data' }),
    state: z.string().meta({ description: '`passed`, `failed` or `skipped`.' }),
    durationMs: z.int32().optional(),
    detail: z.string().optional().meta({ description: 'The finding, or the meaning of the failure.' }),
    code: z.string().optional().meta({ description: 'The code of the failure, as in a Problem.' }),
    reason: z.string().optional(),
    fix: ProblemFix.optional(),
    because: z.string().optional().meta({ description: 'For a skipped step: the failed step that it depends on.' }),
    warnings: z.array(z.string()).optional().meta({ description: 'Risks to fix although the step passed.' }),
  }),
);

export const TenantCheckAnswer = named(
  'TenantCheck',
  z.object({
    tenantId: z.string(),
    state: z.string().meta({ description: '`passed` if every step passed, otherwise `failed`.' }),
    at: z.string().meta({ format: 'date-time' }),
    steps: z.array(CheckStepAnswer),
  }),
);

const OnboardingStepAnswer = named(
  'OnboardingStep',
  z.object({
    title: z.string(),
    owner: z.string().meta({ description: '`customer-admin` or `resource-owner`.' }),
    explanation: z.string(),
    commands: z.array(z.string()),
    check: z.string().meta({ description: 'The step of the check that passes afterwards.' }),
  }),
);
const TakeBackAnswer = named('TakeBack', z.object({ title: z.string(), command: z.string() }));

export const OnboardingAnswer = named(
  'Onboarding',
  z.object({
    tenantId: z.string(),
    appId: z.string(),
    steps: z.array(OnboardingStepAnswer),
    takeBack: z.array(TakeBackAnswer).meta({ description: 'How the customer revokes access, the fastest way first.' }),
    doorbell: named(
      'OnboardingDoorbell',
      z.object({
        explanation: z.string(),
        address: z.string().optional().meta({
          description:
            "The customer's bell: whoever has it can ring. Only for callers with `Tenants.Manage`, and with `onboarding.url`. Absent too for a bell that was made elsewhere, until `vaultspan bell renew`.",
        }),
        ring: z
          .string()
          .meta({ description: 'The command that rings. Without `address` it takes that from `DOORBELL`.' }),
        eventGrid: z.array(z.string()).meta({
          description:
            'Optional commands: an Event Grid subscription by which each vault rings at a new key version, an expired key or a changed access policy. Azure has no event for a disabled key.',
        }),
      }),
    ),
    script: z.string().meta({ description: 'All steps as a Bash script for the Azure CLI.' }),
    revokeScript: z.string().meta({
      description:
        'The fastest way to revoke access as a Bash script: it disables every version of each key and rings the doorbell, without `address` at that in `DOORBELL`.',
    }),
  }),
);

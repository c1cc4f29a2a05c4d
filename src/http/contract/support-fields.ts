import * as z from 'zod';
import { named } from './fields.ts';
import { ProblemFix } from './problem-schema.ts';

const CheckStepAnswer = named(
  'CheckStep',
  z.object({
    name: z.string().meta({ example: 'unwrap with data' }),
    state: z.string().meta({ description: '`passed`, `failed` or `skipped`.' }),
    durationMs: z.int32().optional(),
    detail: z.string().optional().meta({ description: 'What was found, or what a failure means.' }),
    code: z.string().optional().meta({ description: 'As a Problem has it.' }),
    reason: z.string().optional(),
    fix: ProblemFix.optional(),
    because: z.string().optional().meta({ description: 'The step whose failure keeps this one from being tried.' }),
    warnings: z.array(z.string()).optional().meta({ description: 'Well for now, and to be mended.' }),
  }),
);

export const TenantCheckAnswer = named(
  'TenantCheck',
  z.object({
    tenantId: z.string(),
    state: z.string().meta({ description: '`passed` when every step did, else `failed`.' }),
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
    check: z.string().meta({ description: "The check's step that passes afterwards." }),
  }),
);
const TakeBackAnswer = named('TakeBack', z.object({ title: z.string(), command: z.string() }));

export const OnboardingAnswer = named(
  'Onboarding',
  z.object({
    tenantId: z.string(),
    appId: z.string(),
    steps: z.array(OnboardingStepAnswer),
    takeBack: z.array(TakeBackAnswer).meta({ description: 'The fastest way first.' }),
    script: z.string().meta({ description: 'Bash with the Azure CLI.' }),
  }),
);

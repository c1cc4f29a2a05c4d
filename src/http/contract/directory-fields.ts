import * as z from 'zod';
import { named } from './fields.ts';

const state = z.string().meta({
  description:
    "`read`; `not-consented`: the app's token lacks the permission, and nothing was asked; `denied`: the directory refused all the same; `unavailable`: no usable answer, try again.",
});
const unread = {
  permission: z.string().optional().meta({
    description: "The least permission that the customer's administrator has to consent to.",
    example: 'User.Read.All',
  }),
  code: z.string().optional().meta({
    description:
      "Why it was not read: Graph's own code, such as `TooManyRequests`, or `timeout`, `unreachable`, `unexpected-answer`, `answer-too-large`.",
  }),
  retryAfter: z.int32().optional().meta({ description: 'Seconds.' }),
};

const OrganizationFactAnswer = named(
  'OrganizationFact',
  z.object({
    state,
    displayName: z.string().optional(),
    verifiedDomains: z.array(z.string()).optional(),
    ...unread,
  }),
);
const CountFactAnswer = named(
  'CountFact',
  z.object({
    state,
    count: z.int().optional(),
    atLeast: z.int().optional().meta({
      description: 'Instead of `count`, where the directory could not count and counting its pages stopped at a bound.',
    }),
    ...unread,
  }),
);

export const DirectoryFactsAnswer = named(
  'DirectoryFacts',
  z.object({
    organization: OrganizationFactAnswer.optional(),
    users: CountFactAnswer.optional().meta({ description: 'Guests included.' }),
    groups: CountFactAnswer.optional(),
  }),
);

import * as z from 'zod';
import { named } from '../fields.ts';

const state = z.string().meta({
  description:
    "`read`; `not-consented`: the app's token lacks the permission, so the directory was not called; `denied`: the directory refused although the token has the permission; `unavailable`: no usable answer, try again.",
});
const unread = {
  permission: z.string().optional().meta({
    description: "The smallest permission that the customer's administrator can consent to.",
    example: 'User.Read.All',
  }),
  code: z.string().optional().meta({
    description:
      "Why it was not read: Graph's own code, such as `TooManyRequests`, or `timeout`, `unreachable`, `unexpected-answer`, `answer-too-large`.",
  }),
  retryAfter: z.int32().optional().meta({ description: 'Seconds to wait before the next try.' }),
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
      description: 'Instead of `count`, when the directory could not count and counting page by page reached a limit.',
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

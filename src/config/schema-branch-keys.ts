import * as z from 'zod';
import { HOUR, seconds, section } from './schema-kinds.ts';

const DAY = 24 * HOUR;
const COPIES = 'must be {directory: PATH}, export or none';

/** Settings of branch keys, the keys of compact messages. */
export const BranchKeys = section({
  epochSeconds: seconds(HOUR, 31 * DAY)
    .default(DAY)
    .describe('Period of one branch key of a registered key. Periods start at multiples of it since 1970, UTC.'),
  settleSeconds: seconds(0, DAY)
    .default(600)
    .describe('Minimum age of a branch key before it encrypts, so that a failover that loses it loses no message.'),
  recheckSeconds: seconds(1, 300)
    .default(60)
    .describe('Maximum time since a branch key was last seen in the database, for it to encrypt.'),
  copies: z
    .union([z.enum(['export', 'none']), z.strictObject({ directory: z.string().min(1) })], { error: COPIES })
    .optional()
    .describe(
      'Where branch keys are kept besides the database; required before a key may have `form: compact`. `{directory: PATH}`: files in a folder on another disk. `export`: a branch key encrypts once `vaultspan branch-keys export --acknowledge` has had it. `none`: nowhere, so losing the database is losing the data; `/readyz` reports it. See [Branch keys](branch-keys.md).',
    ),
});

import * as z from 'zod';
import { INDEX_NAME, MAX_VERSION } from '../../format/index-key.ts';
import { base64, EncryptionContext, named, TenantParams } from './fields.ts';

const MAX_VALUES = 1_000;
/** Base64 of 64 KiB. */
const MAX_VALUE = 87_384;
/** Base64url of prefix, tag and 64 KiB. */
const MAX_SEALED = 87_412;

export const IndexParams = TenantParams.extend({
  name: z
    .string()
    .regex(INDEX_NAME, 'must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -')
    .meta({ description: "The name of the index in the tenant's record.", example: 'email' }),
});

// The count is checked first: a million wrong values would make a million errors.
const listOf = <T extends z.ZodType>(value: T) => z.array(z.unknown()).min(1).max(MAX_VALUES).pipe(z.array(value));
const printed = (value: z.ZodType, description: string) =>
  z
    .array(value)
    .min(1)
    .max(MAX_VALUES)
    .meta({ description: `${description} 1 to ${MAX_VALUES} values.` });

const Bytes = z.string().meta({ format: 'byte' });
const Version = z.int().meta({ description: 'The version of the index.' });

export const IndexTokensRequest = z.strictObject({ values: listOf(base64(MAX_VALUE, 'A value, base64.')) });
export const PrintedIndexTokens = named(
  'IndexTokensRequest',
  z.strictObject({ values: printed(Bytes, 'The values, base64, each at most 64 KiB.') }),
);
const VersionTokens = named(
  'VersionTokens',
  z.object({
    version: Version,
    tokens: z.array(z.string()).meta({ description: 'The token of each value, base64url, in their order.' }),
  }),
);
export const IndexTokensResult = named(
  'IndexTokensResult',
  z.object({
    write: VersionTokens.meta({ description: 'Store these with new rows.' }),
    search: z.array(VersionTokens).meta({ description: 'Search for any of these: a row may have each of them.' }),
  }),
);

const context = { encryptionContext: EncryptionContext.optional() };
export const DeterministicEncryptRequest = z.strictObject({
  values: listOf(base64(MAX_VALUE, 'A value, base64.')),
  ...context,
});
export const PrintedDeterministicEncrypt = named(
  'DeterministicEncryptRequest',
  z.strictObject({ values: printed(Bytes, 'The values, base64, each at most 64 KiB.'), ...context }),
);
const VersionValues = named(
  'VersionValues',
  z.object({
    version: Version,
    values: z.array(z.string()).meta({ description: 'Each value encrypted, base64url, in their order.' }),
  }),
);
export const DeterministicEncryptResult = named(
  'DeterministicEncryptResult',
  z.object({
    write: VersionValues.meta({ description: 'Store these.' }),
    search: z.array(VersionValues).meta({ description: 'Search for any of these: a row may have each of them.' }),
  }),
);
export const DeterministicDecryptRequest = z.strictObject({ values: listOf(z.string().max(MAX_SEALED)), ...context });
export const PrintedDeterministicDecrypt = named(
  'DeterministicDecryptRequest',
  z.strictObject({
    values: printed(z.string(), 'The texts that encryptDeterministic returned, unchanged.'),
    ...context,
  }),
);
export const DeterministicDecryptResult = named(
  'DeterministicDecryptResult',
  z.object({ values: z.array(Bytes).meta({ description: 'The values, base64, in their order.' }) }),
);

export const RetireVersionRequest = named(
  'RetireVersionRequest',
  z.strictObject({ version: z.int().min(1).max(MAX_VERSION).meta({ description: 'The version to destroy.' }) }),
);
export const IndexAnswer = named(
  'Index',
  z.object({
    name: z.string(),
    versions: z
      .array(
        named(
          'IndexVersion',
          z.object({
            version: Version,
            bits: z.int().meta({ description: 'Length of its tokens.' }),
            normalize: z.string().meta({ description: '`none` or `nfc`.' }),
            state: z.string().meta({
              description:
                '`pending`: searched, and not written yet. `written`: new values get it. `searched`: an older one. `retired`: its key is destroyed.',
            }),
            createdAt: z.string().meta({ format: 'date-time' }),
            keyId: z.string().meta({ description: "The version of the customer's key that wraps it." }),
          }),
        ),
      )
      .meta({ description: 'The oldest first.' }),
  }),
);

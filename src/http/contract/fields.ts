import * as z from 'zod';
import { decodeAnyBase64 } from '../../format/base64.ts';
import { TENANT_ID } from '../../format/jwe-header.ts';
import { WRAP_ALGORITHMS } from '../../format/wrap-algorithms.ts';

export const MAX_PLAINTEXT = 32 * 1024 * 1024; // base64 of the 24 MiB that no configuration exceeds
const MAX_WRAPPED = 2_048; // base64 of the largest input or output of Key Vault's RSA keys, with room to spare
export const MAX_CIPHERTEXT = 34 * 1024 * 1024;

export const named = <T extends z.ZodType>(id: string, schema: T): T => schema.meta({ id }) as T;

/**
 * Base64 text, parsed to bytes. Only the canonical spelling is accepted, so no character is
 * silently skipped.
 */
export const base64 = (max: number, description: string) =>
  z
    .string()
    .max(max)
    .transform((text, context) => {
      const bytes = decodeAnyBase64(text);
      if (bytes) return bytes;
      context.addIssue({
        code: 'custom',
        message: 'must be base64 (standard or url-safe, padding optional, no whitespace)',
      });
      return z.NEVER;
    })
    .meta({ format: 'byte', description });

const TenantParams = z.object({
  tenantId: z
    .string()
    .regex(TENANT_ID, 'must be 1 to 64 characters of a-z, 0-9 and -')
    .meta({ description: 'The id of the tenant in the registry.', example: 'contoso' }),
});

/**
 * The value as `JSON.parse` made it; `canonicalContext` checks it. A copy would lose a member named
 * `__proto__`.
 */
export const EncryptionContext = z.unknown().meta({
  id: 'EncryptionContext',
  description:
    'Pairs of strings that the ciphertext is bound to, such as the table and the row that it belongs to. They are not stored and not secret; to decrypt, send the same pairs again. At most 64 members, names of up to 128 and values of up to 1,024 characters, 4,096 bytes in canonical form (RFC 8785). Names that start with `vaultspan` are reserved. An empty context is the same as none.',
  example: { purpose: 'invoice', id: '4711' },
});
/** An object as `JSON.parse` made it; the operation checks its members. */
export const Document = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);
export const MAX_ALIAS = 64;
export const Alias = z.string().min(1).max(MAX_ALIAS);
const KeyId = z.string().meta({
  description: 'Full id of the Key Vault key version.',
  example: 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0',
});
const requestKeyId = z.string().min(1).max(512).meta({ description: 'The `keyId` that wrapKey returned.' });
const algorithms = `One of ${WRAP_ALGORITHMS.join(', ')}.`;
const Algorithm = z.enum(WRAP_ALGORITHMS);
const bytes = (description: string) => z.string().meta({ format: 'byte', description });

export const EncryptRequest = named(
  'EncryptRequest',
  z.strictObject({
    plaintext: base64(MAX_PLAINTEXT, 'The bytes to encrypt, base64.'),
    encryptionContext: EncryptionContext.optional(),
    key: Alias.optional().meta({ description: "Alias of one of the tenant's data keys. Absent: the default key." }),
  }),
);
export const EncryptResult = named(
  'EncryptResult',
  z.object({
    ciphertext: z.string().meta({ description: 'A JWE in Compact Serialization (RFC 7516). Store it unchanged.' }),
    keyId: KeyId,
  }),
);
export const DecryptRequest = named(
  'DecryptRequest',
  z.strictObject({
    ciphertext: z
      .string()
      .max(MAX_CIPHERTEXT)
      .meta({ description: 'The ciphertext that encryptData, createDataKey or rewrapData returned.' }),
    encryptionContext: EncryptionContext.optional(),
  }),
);
export const DecryptResult = named(
  'DecryptResult',
  z.object({ plaintext: bytes('The decrypted bytes, base64.'), keyId: KeyId }),
);
export const DataKeyRequest = named(
  'DataKeyRequest',
  z.strictObject({
    encryptionContext: EncryptionContext.optional(),
    key: Alias.optional().meta({ description: "Alias of one of the tenant's data keys. Absent: the default key." }),
  }),
);
export const DataKeyResult = named(
  'DataKeyResult',
  z.object({
    plaintext: bytes('The key: 32 bytes in base64. Never store it.'),
    ciphertext: z
      .string()
      .meta({ description: 'The same key, encrypted. Store it beside the data; decryptData decrypts it.' }),
    keyId: KeyId,
    expiresAt: z.string().meta({
      format: 'date-time',
      description:
        'Drop the plaintext by then: a revocation cannot reach it. It is when the proof of access ends, so it may come sooner than the revocation bound.',
    }),
  }),
);
export const RewrapTarget = named(
  'RewrapTarget',
  z.strictObject({
    tenantId: z
      .string()
      .regex(TENANT_ID, 'must be 1 to 64 characters of a-z, 0-9 and -')
      .optional()
      .meta({ description: 'Absent: the same tenant.' }),
    key: Alias.optional().meta({
      description: "Alias of one of the target's data keys. Absent: the default key.",
    }),
    form: z.enum(['self-contained', 'compact']).optional().meta({
      description:
        'The form of the new ciphertext. Absent: that of the target key. With `self-contained`, a compact message no longer needs the database. `compact` is accepted only if it is the form of the target key.',
    }),
  }),
);
export const RewrapRequest = named(
  'RewrapRequest',
  z.strictObject({
    ciphertext: z
      .string()
      .max(MAX_CIPHERTEXT)
      .meta({ description: 'The ciphertext that encryptData, createDataKey or rewrapData returned.' }),
    encryptionContext: EncryptionContext.optional(),
    to: RewrapTarget.optional(),
  }),
);
export const WrapRequest = named(
  'WrapRequest',
  z.strictObject({
    value: base64(MAX_WRAPPED, 'The key to wrap, base64.').refine((value) => value.length > 0, 'must not be empty'),
    key: Alias.meta({ description: "Alias of one of the tenant's wrap keys." }),
    algorithm: Algorithm.optional().meta({ description: `Absent: the default for the type of the key. ${algorithms}` }),
  }),
);
export const WrapResult = named(
  'WrapResult',
  z.object({
    wrappedKey: bytes('The wrapped key, base64.'),
    keyId: KeyId,
    algorithm: z.string().meta({ description: algorithms }),
  }),
);
export const UnwrapRequest = named(
  'UnwrapRequest',
  z.strictObject({
    wrappedKey: base64(MAX_WRAPPED, 'The `wrappedKey` that wrapKey returned, base64.').refine(
      (value) => value.length > 0,
      'must not be empty',
    ),
    keyId: requestKeyId,
    // Printed as a string: a generated enum would not accept the string in wrapKey's answer.
    algorithm: z
      .string()
      .pipe(Algorithm)
      .meta({ description: `The algorithm that wrapKey returned. ${algorithms}` }),
  }),
);
export const UnwrapResult = named('UnwrapResult', z.object({ value: bytes('The key, base64.'), keyId: KeyId }));

export const Health = named('Health', z.object({ status: z.string().meta({ description: '`ok`' }) }));
export const Readiness = named(
  'Readiness',
  z.object({
    status: z.string().meta({ description: '`ready`' }),
    degraded: z.array(z.string()).optional().meta({
      description:
        'Parts in trouble while requests are still answered, such as `registry`, `audit`, `audit-clock`, `audit-files`, `certificate`, `origin-key`, `audit-key`, `webhook-key`, `app-credential`, `branch-database`, `branch-copies`, `branch-keys` or `receipts`.',
    }),
  }),
);

export { TenantParams };

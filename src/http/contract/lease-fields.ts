import * as z from 'zod';
import { TENANT_ID } from '../../format/jwe-header.ts';
import { batchResult } from './batch-fields.ts';
import { MAX_FIELD_NAME } from './document-fields.ts';
import { Alias, Document, EncryptionContext, MAX_CIPHERTEXT, named } from './fields.ts';

const MAX_MESSAGES = 100;
/** As any object of a JSON body. */
const MAX_REPORTED_LEAVES = 1_000;
/** More than one lease can seal or open. Sums of such numbers stay exact in a database. */
const MAX_COUNT = 2 ** 32;
const MAX_BYTES = 2 ** 50;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** base64url of 16 bytes. */
const KID = /^[A-Za-z0-9_-]{21}[AQgw]$/;

export const LeaseParams = z.object({
  tenantId: z
    .string()
    .regex(TENANT_ID, 'must be 1 to 64 characters of a-z, 0-9 and -')
    .meta({ description: 'The id of the tenant in the registry.', example: 'contoso' }),
  leaseId: z
    .string()
    .regex(UUID, 'must be the leaseId that createLease returned')
    .meta({ description: 'The `leaseId` that createLease returned.', example: 'b5d3a1c0-6f0e-4e5e-9a53-1d8f7c2b4a90' }),
});

const Kid = z.string().meta({ description: "The `kid` of the leaf's messages, 22 characters." });
const LeafKey = z.string().meta({
  format: 'byte',
  description: "The leaf's key: 32 bytes in base64. Keep it in memory only, and delete it when it expires.",
});
const KeyId = z.string().meta({ description: 'Full id of the Key Vault key version.' });
const end = {
  expiresInSeconds: z.int().meta({
    description: 'Seconds until the end. Count them from the moment before you sent the request, on a monotonic clock.',
  }),
  expiresAt: z.string().meta({ format: 'date-time', description: 'The same end by the clock of the service.' }),
};

export const LeaseRequest = named(
  'LeaseRequest',
  z.strictObject({
    key: Alias.optional().meta({
      description: "Alias of one of the tenant's data keys with `form: compact`. Absent: the default key.",
    }),
  }),
);

export const LeaseResult = named(
  'LeaseResult',
  z.object({
    leaseId: z.string().meta({ description: 'Names the lease in reports of its usage.' }),
    kid: Kid,
    key: LeafKey,
    keyId: KeyId,
    ...end,
    maxMessages: z.int().meta({ description: 'How many messages the leaf may encrypt.' }),
    maxBytes: z.int().meta({ description: 'How many bytes of plaintext the leaf may encrypt.' }),
    maxPlaintextBytes: z.int().meta({
      description:
        'How many bytes of plaintext the service decrypts at once (`http.maxPlaintextBytes`), in one message or one document. Only holders of the leaf could open a larger one, so leave it to the service.',
    }),
    requiredContext: z
      .array(z.string())
      .optional()
      .meta({ description: 'Names that each encryption context must have. Absent: none.' }),
  }),
);

export const LeasedMessage = named(
  'LeasedMessage',
  z.strictObject({
    ciphertext: z
      .string()
      .max(MAX_CIPHERTEXT)
      .meta({ description: 'A message that was encrypted under a lease. Send a small one: it is only a proof.' }),
    encryptionContext: EncryptionContext.optional(),
    field: z
      .string()
      .min(1)
      .max(MAX_FIELD_NAME)
      .refine((name) => name.isWellFormed(), 'must be well-formed Unicode')
      .optional()
      .meta({ description: "The name of the field, where the message is a document's." }),
  }),
);

/** The count is checked first; each message is checked when its turn comes. */
export const OpenLeasesRequest = z.strictObject({
  messages: z.array(z.unknown()).max(MAX_MESSAGES).pipe(z.array(Document)),
});

export const PrintedOpenLeasesRequest = named(
  'OpenLeasesRequest',
  z.strictObject({
    messages: z
      .array(LeasedMessage)
      .max(MAX_MESSAGES)
      .meta({ description: `At most ${MAX_MESSAGES} messages, one of each leaf.` }),
  }),
);

export const OpenLeasesResult = batchResult(
  'OpenLeasesResult',
  z.object({ kid: Kid, key: LeafKey, keyId: KeyId, ...end }),
);

const Count = z.int().min(0).max(MAX_COUNT);

/** Counts by `kid`, as `JSON.parse` made them. */
const opened = Document.transform((given, context): ReadonlyMap<string, number> => {
  const refuse = (message: string, path: string[] = []) => context.addIssue({ code: 'custom', message, path });
  const kids = Object.keys(given);
  const counts = new Map<string, number>();
  if (!kids.every((kid) => KID.test(kid))) refuse('has a name that is not the kid of a leaf');
  else {
    for (const kid of kids) {
      const { success, data, error } = Count.safeParse(given[kid]);
      if (success) counts.set(kid, data);
      else for (const { message } of error.issues) refuse(message, [kid]);
    }
  }
  return counts;
});

const report = {
  sealed: Count.meta({ description: 'Messages encrypted under this lease.' }),
  bytes: z.int().min(0).max(MAX_BYTES).meta({ description: 'Bytes of plaintext, encrypted and decrypted.' }),
  isFinal: z.boolean().meta({ description: 'Whether the lease is not used any more.' }),
};

export const LeaseUsageRequest = z.strictObject({ ...report, opened });

export const PrintedLeaseUsageRequest = named(
  'LeaseUsageRequest',
  z.strictObject({
    ...report,
    opened: z.record(z.string(), Count).meta({
      maxProperties: MAX_REPORTED_LEAVES,
      description: 'Messages decrypted, by the `kid` of their leaf: this lease or leaves that openLeases returned.',
    }),
  }),
);

import * as z from 'zod';
import { batchRequest, batchResult } from './batch-fields.ts';
import {
  Alias,
  base64,
  Document,
  EncryptionContext,
  MAX_CIPHERTEXT,
  MAX_PLAINTEXT,
  named,
  RewrapTarget,
} from './fields.ts';

export const MAX_FIELDS = 256;
/** UTF-16 code units. */
export const MAX_FIELD_NAME = 128;

/**
 * Fields by name, as `JSON.parse` made them: a schema library's copy silently drops a member named
 * `__proto__`.
 */
const fields = <T>(value: z.ZodType<T>) =>
  Document.transform((given, context): ReadonlyMap<string, T> => {
    const refuse = (message: string, path: string[] = []) => context.addIssue({ code: 'custom', message, path });
    const names = Object.keys(given);
    const problem = namesProblem(names);
    if (problem !== undefined) refuse(problem);
    const parsed = new Map<string, T>();
    for (const name of problem === undefined ? names : []) {
      const { success, data, error } = value.safeParse(given[name]);
      if (success) parsed.set(name, data);
      else for (const { message } of error.issues) refuse(message, [name]);
    }
    return parsed;
  });

function namesProblem(names: readonly string[]): string | undefined {
  if (names.length === 0) return 'is empty; a document has at least one field';
  if (names.length > MAX_FIELDS) return `has ${names.length} fields, at most ${MAX_FIELDS} are taken`;
  return names.map(nameProblem).find((problem) => problem !== undefined);
}

function nameProblem(name: string): string | undefined {
  if (name === '' || name.length > MAX_FIELD_NAME)
    return `has a name that is not 1 to ${MAX_FIELD_NAME} characters long`;
  if (!name.isWellFormed()) return 'has a name that is not well-formed Unicode';
  return name === '__proto__' ? 'has a field of the reserved name __proto__' : undefined;
}

const context = { encryptionContext: EncryptionContext.optional() };
const key = {
  key: Alias.optional().meta({ description: "Alias of one of the tenant's data keys; default: its default key." }),
};
const to = { to: RewrapTarget.optional() };

export const EncryptDocumentRequest = z.strictObject({
  fields: fields(base64(MAX_PLAINTEXT, 'The bytes of the field, base64.')),
  ...context,
  ...key,
});
export const DecryptDocumentRequest = z.strictObject({ fields: fields(z.string().max(MAX_CIPHERTEXT)), ...context });
export const RewrapDocumentRequest = z.strictObject({
  fields: fields(z.string().max(MAX_CIPHERTEXT)),
  ...context,
  ...to,
});

const SIZE = { minProperties: 1, maxProperties: MAX_FIELDS };
const plaintexts = z.record(z.string(), z.string().meta({ format: 'byte' })).meta({
  ...SIZE,
  description: `The bytes of each field, base64. 1 to ${MAX_FIELDS} fields, names of 1 to ${MAX_FIELD_NAME} characters.`,
});
const ciphertexts = z.record(z.string(), z.string()).meta({ ...SIZE, description: 'The ciphertext of each field.' });
const KeyId = z.string().meta({ description: 'Full id of the Key Vault key version.' });

/** As printed: generated clients take maps of strings. */
export const PrintedEncryptDocument = named(
  'EncryptDocumentRequest',
  z.strictObject({ fields: plaintexts, ...context, ...key }),
);
export const PrintedDecryptDocument = named(
  'DecryptDocumentRequest',
  z.strictObject({ fields: ciphertexts, ...context }),
);
export const PrintedRewrapDocument = named(
  'RewrapDocumentRequest',
  z.strictObject({ fields: ciphertexts, ...context, ...to }),
);
export const EncryptDocumentResult = named('EncryptDocumentResult', z.object({ fields: ciphertexts, keyId: KeyId }));
export const DecryptDocumentResult = named('DecryptDocumentResult', z.object({ fields: plaintexts }));

export const EncryptDocumentBatchRequest = batchRequest('EncryptDocumentBatchRequest', PrintedEncryptDocument);
export const DecryptDocumentBatchRequest = batchRequest('DecryptDocumentBatchRequest', PrintedDecryptDocument);
export const RewrapDocumentBatchRequest = batchRequest('RewrapDocumentBatchRequest', PrintedRewrapDocument);
export const EncryptDocumentBatchResult = batchResult('EncryptDocumentBatchResult', EncryptDocumentResult);
export const DecryptDocumentBatchResult = batchResult('DecryptDocumentBatchResult', DecryptDocumentResult);

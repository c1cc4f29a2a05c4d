import { base64Of, type JsonSafeText, stringOf } from '../../lib/json-safe.ts';
import type { DecryptDeps } from '../../operations/decrypt-data.ts';
import { decryptDocument, decryptDocumentBatch } from '../../operations/documents/decrypt-document.ts';
import type { Fields } from '../../operations/documents/document.ts';
import { encryptDocument, encryptDocumentBatch } from '../../operations/documents/encrypt-document.ts';
import { rewrapDocument, rewrapDocumentBatch } from '../../operations/documents/rewrap-document.ts';
import type { EncryptDeps } from '../../operations/encrypt-data.ts';
import type { RewrapDeps } from '../../operations/rewrap-data.ts';
import { DecryptDocumentRequest, EncryptDocumentRequest, RewrapDocumentRequest } from '../contract/document-fields.ts';
import { answer, assertTogether, type BatchDeps, bytesOf, itemsOf } from './batch-routes.ts';
import type { Handlers } from './mount.ts';

type DocumentRoute =
  | 'encryptDocument'
  | 'decryptDocument'
  | 'rewrapDocument'
  | 'encryptDocumentBatch'
  | 'decryptDocumentBatch'
  | 'rewrapDocumentBatch';

export const documentRoutes = (
  deps: EncryptDeps & DecryptDeps & RewrapDeps & BatchDeps,
): Pick<Handlers, DocumentRoute> => ({
  encryptDocument: async ({ params: { tenantId }, body }, request) =>
    sealed(await encryptDocument(deps, request, { tenantId, ...body })),
  decryptDocument: async ({ params: { tenantId }, body }, request) =>
    opened(await decryptDocument(deps, request, { tenantId, ...body })),
  rewrapDocument: async ({ params: { tenantId }, body }, request) =>
    sealed(await rewrapDocument(deps, request, { tenantId, ...body })),
  encryptDocumentBatch: async ({ params: { tenantId }, body }, request) => {
    assertTogether(
      'ready' in body ? body.plaintextBytes : bytesOf(body.items.flatMap(valuesOf)),
      deps.maxPlaintextBytes,
    );
    const items = itemsOf(deps, request, EncryptDocumentRequest, body);
    return answer(deps, request, await encryptDocumentBatch(deps, request, { tenantId, items }), sealed);
  },
  decryptDocumentBatch: async ({ params: { tenantId }, body }, request) => {
    const items = itemsOf(deps, request, DecryptDocumentRequest, body);
    return answer(deps, request, await decryptDocumentBatch(deps, request, { tenantId, items }), opened);
  },
  rewrapDocumentBatch: async ({ params: { tenantId }, body }, request) => {
    const items = itemsOf(deps, request, RewrapDocumentRequest, body);
    return answer(deps, request, await rewrapDocumentBatch(deps, request, { tenantId, items }), sealed);
  },
});

const sealed = ({ fields, keyId }: { readonly fields: Fields<JsonSafeText>; readonly keyId: string }) => ({
  fields: Object.fromEntries([...fields].map(([name, message]) => [name, stringOf(message)])),
  keyId,
});

const opened = ({ fields }: { readonly fields: Fields<Buffer> }) => ({
  fields: Object.fromEntries([...fields].map(([name, bytes]) => [name, base64Of(bytes)])),
});

/** Returns the values of a document's fields that is not parsed yet. */
const valuesOf = ({ fields }: { readonly fields?: unknown }): readonly unknown[] =>
  typeof fields === 'object' && fields !== null ? Object.values(fields) : [];

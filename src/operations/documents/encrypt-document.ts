import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { canonicalContext } from '../../format/encryption-context.ts';
import type { JsonSafeText } from '../../lib/json-safe.ts';
import { whenReady } from '../../lib/when-ready.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type Batch, eachItem, type Outcome, recordBatch } from '../batch.ts';
import type { EncryptDeps } from '../encrypt-data.ts';
import { openGrant, underGrant } from '../granted-tenant.ts';
import { digestOf } from '../record-success.ts';
import { dataKeyFor } from '../registered-key.ts';
import { sealMessage } from '../seal-message.ts';
import { fieldContextsForSealing } from '../sealing-context.ts';
import { type DocumentOutcome, eachField, type Fields, haveOneKey, keyIdOf } from './document.ts';

/** One document to seal. */
export interface EncryptDocumentItem {
  readonly fields: Fields<Buffer>;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
  /** Alias; default: the tenant's default key. */
  readonly key?: string | undefined;
}

export interface EncryptedDocument {
  readonly fields: Fields<JsonSafeText>;
  readonly keyId: string;
}

/**
 * Seals each field of a document as a message that opens only under its own name. All or nothing.
 * @throws ServiceError
 */
export async function encryptDocument(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  { tenantId, ...item }: EncryptDocumentItem & { readonly tenantId: string },
): Promise<EncryptedDocument> {
  const grant = await openGrant(deps, request, 'Data.Encrypt', tenantId);
  const sealed = await underGrant(grant, (tenant) => sealDocument(deps, request, tenant, item));
  const context = digestOf(deps, tenantId, canonicalContext(item.encryptionContext));
  const uses = sealed.uses.map((value) => ({ value }));
  await recordBatch(deps, request, { operation: 'encrypt-document', tenantId, context }, uses);
  return { fields: sealed.fields, keyId: keyIdOf(sealed.uses) };
}

/**
 * Seals many documents independently.
 * @throws ServiceError for a failure of the whole batch
 */
export async function encryptDocumentBatch(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<EncryptDocumentItem>,
): Promise<readonly Outcome<EncryptedDocument>[]> {
  const grant = await openGrant(deps, request, 'Data.Encrypt', tenantId);
  const outcomes = await eachItem(deps, items, grant, async (item, tenant) => {
    const sealed = await sealDocument(deps, request, tenant, item);
    return { ...sealed, keyId: keyIdOf(sealed.uses) };
  });
  await recordBatch(deps, request, { operation: 'batch-encrypt-document', tenantId }, outcomes);
  return outcomes;
}

async function sealDocument(
  deps: EncryptDeps,
  { access }: AuthenticatedRequest,
  tenant: Tenant,
  { fields, encryptionContext, key: alias }: EncryptDocumentItem,
): Promise<DocumentOutcome<JsonSafeText>> {
  assertFit(fields, deps.maxPlaintextBytes);
  const contextOf = fieldContextsForSealing(tenant, encryptionContext);
  const key = dataKeyFor(tenant, alias, encryptionContext);
  const seal = () =>
    eachField(fields, (plaintext, name) => {
      const about = { operation: 'encrypt', context: contextOf(name), access } as const;
      return whenReady(sealMessage(deps, tenant, key, plaintext, about), ({ ciphertext, keyId, vaultCall }) => ({
        value: ciphertext,
        use: { keyId, vaultCall, bytes: plaintext.length },
      }));
    });
  const sealed = await seal();
  return haveOneKey(sealed.uses) ? sealed : seal();
}

function assertFit(fields: Fields<Buffer>, max: number): void {
  let bytes = 0;
  for (const { length } of fields.values()) bytes += length;
  if (bytes <= max) return;
  throw new ServiceError('body-too-large', `The fields of a document may have ${max} bytes together`, {
    errors: [{ pointer: '/fields', detail: `have ${bytes} bytes, at most ${max} are taken` }],
  });
}

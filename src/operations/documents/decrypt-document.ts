import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { canonicalContext, fieldContexts } from '../../format/encryption-context.ts';
import { whenReady } from '../../lib/when-ready.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type Batch, eachItem, type Outcome, recordBatch } from '../batch.ts';
import type { DecryptDeps } from '../decrypt-data.ts';
import { openGrant, underGrant } from '../granted-tenant.ts';
import { type Ciphertext, openMessage } from '../open-message.ts';
import { digestOf } from '../record-success.ts';
import { type DocumentOutcome, eachField, type Fields } from './document.ts';

/** One document to open, or any of its fields. */
export interface DecryptDocumentItem {
  readonly fields: Fields<Ciphertext>;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
}

export interface DecryptedDocument {
  readonly fields: Fields<Buffer>;
}

/**
 * Opens fields under the names with which they were sealed. All or nothing.
 * @throws ServiceError
 */
export async function decryptDocument(
  deps: DecryptDeps,
  request: AuthenticatedRequest,
  { tenantId, ...item }: DecryptDocumentItem & { readonly tenantId: string },
): Promise<DecryptedDocument> {
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const { fields, uses } = await underGrant(grant, (tenant) => openDocument(deps, request, tenant, item));
  const context = digestOf(deps, tenantId, canonicalContext(item.encryptionContext));
  const used = uses.map((value) => ({ value }));
  await recordBatch(deps, request, { operation: 'decrypt-document', tenantId, context }, used);
  return { fields };
}

/**
 * Opens many documents independently.
 * @throws ServiceError for a failure of the whole batch
 */
export async function decryptDocumentBatch(
  deps: DecryptDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<DecryptDocumentItem>,
): Promise<readonly Outcome<DecryptedDocument>[]> {
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const outcomes = await eachItem(deps, items, grant, (item, tenant) => openDocument(deps, request, tenant, item));
  await recordBatch(deps, request, { operation: 'batch-decrypt-document', tenantId }, outcomes);
  return outcomes;
}

async function openDocument(
  deps: DecryptDeps,
  { access }: AuthenticatedRequest,
  tenant: Tenant,
  { fields, encryptionContext }: DecryptDocumentItem,
): Promise<DocumentOutcome<Buffer>> {
  const contextOf = fieldContexts(encryptionContext);
  return eachField(fields, (ciphertext, name) => {
    const about = { operation: 'decrypt', context: contextOf(name), access } as const;
    return whenReady(openMessage(deps, tenant, ciphertext, about), ({ plaintext, keyId, vaultCall, bytes }) => ({
      value: plaintext,
      use: { keyId, vaultCall, bytes },
    }));
  });
}

import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { canonicalContext, fieldContexts } from '../../format/encryption-context.ts';
import type { JsonSafeText } from '../../lib/json-safe.ts';
import { whenReady } from '../../lib/when-ready.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type Batch, eachItem, type ItemUse, type Outcome, recordBatch } from '../batch.ts';
import { openGrant, underGrant } from '../granted-tenant.ts';
import type { Ciphertext } from '../open-message.ts';
import { digestOf } from '../record-success.ts';
import { targetKey } from '../registered-key.ts';
import { assertTarget, moveMessage, openTarget, type RewrapDeps, type RewrapItem } from '../rewrap-data.ts';
import { fieldContextsForSealing } from '../sealing-context.ts';
import { type DocumentOutcome, eachField, type Fields, haveOneKey, keyIdOf } from './document.ts';
import type { EncryptedDocument } from './encrypt-document.ts';

/** One document to move, or any of its fields. */
export interface RewrapDocumentItem extends Pick<RewrapItem, 'encryptionContext' | 'to'> {
  readonly fields: Fields<Ciphertext>;
}

interface MovedDocument extends DocumentOutcome<JsonSafeText> {
  readonly target: string;
  /** The uses of opening the fields, at the source. */
  readonly opened: readonly ItemUse[];
}

/**
 * Seals a document's fields again, as rewrapData does with a message; their names and their context
 * stay the same.
 * @throws ServiceError
 */
export async function rewrapDocument(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  { tenantId, ...item }: RewrapDocumentItem & { readonly tenantId: string },
): Promise<EncryptedDocument> {
  assertTarget(request.principal, item.to?.tenantId ?? tenantId);
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const moved = await underGrant(grant, (source) => moveDocument(deps, request, source, item));
  const canonical = canonicalContext(item.encryptionContext);
  const record = (at: string, uses: readonly ItemUse[]) =>
    recordBatch(
      deps,
      request,
      { operation: 'rewrap-document', tenantId: at, context: digestOf(deps, at, canonical) },
      uses.map((value) => ({ value })),
    );
  if (moved.target !== tenantId) await record(tenantId, moved.opened);
  await record(moved.target, moved.uses);
  return { fields: moved.fields, keyId: keyIdOf(moved.uses) };
}

/**
 * Rewraps many documents independently.
 * @throws ServiceError for a failure of the whole batch
 */
export async function rewrapDocumentBatch(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<RewrapDocumentItem>,
): Promise<readonly Outcome<EncryptedDocument>[]> {
  const operation = 'batch-rewrap-document';
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const outcomes = await eachItem(deps, items, grant, (item, source) => moveDocument(deps, request, source, item));
  const usedHere = outcomes.map((outcome) =>
    'value' in outcome && outcome.value.target !== tenantId ? { value: { uses: outcome.value.opened } } : outcome,
  );
  await recordBatch(deps, request, { operation, tenantId }, usedHere);
  const moved = outcomes.flatMap((outcome) => ('value' in outcome ? outcome.value : []));
  const elsewhere = Map.groupBy(
    moved.filter(({ target }) => target !== tenantId),
    ({ target }) => target,
  );
  for (const [target, some] of elsewhere) {
    await recordBatch(
      deps,
      request,
      { operation, tenantId: target },
      some.map((value) => ({ value })),
    );
  }
  return outcomes.map((outcome) =>
    'value' in outcome ? { value: { fields: outcome.value.fields, keyId: keyIdOf(outcome.value.uses) } } : outcome,
  );
}

async function moveDocument(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  source: Tenant,
  { fields, encryptionContext, to = {} }: RewrapDocumentItem,
): Promise<MovedDocument> {
  const startedAt = deps.clock.monotonicMs();
  const grant = await openTarget(deps, request, to.tenantId ?? source.id);
  const isNewThere = grant.tenant.id !== source.id;
  const contextOf = isNewThere
    ? fieldContextsForSealing(grant.tenant, encryptionContext)
    : fieldContexts(encryptionContext);
  const key = targetKey(grant.tenant, to, encryptionContext);
  const move = async () => {
    const opened: ItemUse[] = [];
    const sealed = await eachField(fields, (ciphertext, name) => {
      const context = contextOf(name);
      const move = { ciphertext, key, context, use: 'message', startedAt } as const;
      return whenReady(moveMessage(deps, request, source, grant, move), (moved) => {
        opened.push(moved.opened);
        return { value: moved.ciphertext, use: moved.sealed };
      });
    });
    return { ...sealed, opened, target: grant.tenant.id };
  };
  const moved = await move();
  return haveOneKey(moved.uses) ? moved : move();
}

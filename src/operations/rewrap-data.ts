import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { canonicalContext } from '../format/encryption-context.ts';
import type { JweType } from '../format/jwe-header.ts';
import type { JsonSafe } from '../lib/json-safe.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { type Batch, eachItem, type ItemUse, type Outcome, recordBatch } from './batch.ts';
import type { Encrypted } from './encrypt-data.ts';
import { assertGranted, grantedTenant } from './granted-tenant.ts';
import { type OpenDeps, openMessage } from './open-message.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyByAlias } from './registered-key.ts';
import { sealMessage } from './seal-message.ts';

export interface RewrapDeps extends AuditDeps, OpenDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
}

/** One message to move. */
export interface RewrapItem {
  readonly ciphertext: string;
  readonly encryptionContext?: unknown;
  /** Absent members: the same tenant, its default key. */
  readonly to?: { readonly tenantId?: string | undefined; readonly key?: string | undefined } | undefined;
}

export interface RewrapInput extends RewrapItem {
  readonly tenantId: string;
}

/**
 * Seals a message anew under the newest version, another key or another tenant; its plaintext never leaves. The context stays what it
 * is: names that the record requires of new data are not asked of old.
 *
 * @throws ServiceError
 */
export const rewrapData = (deps: RewrapDeps, request: AuthenticatedRequest, input: RewrapInput): Promise<Encrypted> =>
  rewrapOne(deps, request, input, 'vaultspan+jwe');

/** The same for the header of a stream. @throws ServiceError */
export const rewrapStreamHeader = (
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  input: RewrapInput,
): Promise<Encrypted> => rewrapOne(deps, request, input, 'vaultspan-stream+jwe');

async function rewrapOne(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  input: RewrapInput,
  typ: JweType,
): Promise<Encrypted> {
  const { tenantId, to = {} } = input;
  const operation = typ === 'vaultspan+jwe' ? 'rewrap' : 'rewrap-stream';
  assertGranted(request.principal, 'Data.Encrypt', to.tenantId ?? tenantId);
  const source = await grantedTenant(deps.tenants, request.principal, 'Data.Decrypt', tenantId);
  const { ciphertext, target, opened, sealed, context } = await moveItem(deps, request, source, input, typ);
  if (target !== source.id) {
    await recordSuccess(deps, request, { operation, tenantId: source.id, ...opened }, context);
  }
  await recordSuccess(deps, request, { operation, tenantId: target, ...sealed }, context);
  return { ciphertext, keyId: sealed.keyId };
}

/** Moves many of one tenant's messages, each for itself. @throws ServiceError for trouble of the whole */
export async function rewrapBatch(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<RewrapItem>,
): Promise<readonly Outcome<Encrypted>[]> {
  const source = await grantedTenant(deps.tenants, request.principal, 'Data.Decrypt', tenantId);
  const outcomes = await eachItem(items, (item) => moveItem(deps, request, source, item, 'vaultspan+jwe'));
  const moved = outcomes.flatMap((outcome) => ('value' in outcome ? outcome.value : []));
  const elsewhere = Map.groupBy(
    moved.filter(({ target }) => target !== tenantId),
    ({ target }) => target,
  );
  const operation = 'batch-rewrap';
  // The source's own log tells of every item; each other tenant's of what came to it.
  await recordBatch(deps, request, { operation, tenantId }, outcomes.map(usedAt(tenantId)));
  for (const [target, some] of elsewhere) {
    const uses = some.map(({ sealed }) => ({ value: sealed }));
    await recordBatch(deps, request, { operation, tenantId: target }, uses);
  }
  return outcomes.map((outcome) =>
    'value' in outcome
      ? { value: { ciphertext: outcome.value.ciphertext, keyId: outcome.value.sealed.keyId } }
      : outcome,
  );
}

interface Moved {
  readonly ciphertext: JsonSafe;
  readonly target: string;
  readonly opened: ItemUse;
  readonly sealed: ItemUse;
  readonly context: Buffer | undefined;
}

const usedAt =
  (tenantId: string) =>
  (outcome: Outcome<Moved>): Outcome<ItemUse> => {
    if (!('value' in outcome)) return outcome;
    const { target, opened, sealed } = outcome.value;
    return { value: target === tenantId ? sealed : opened };
  };

async function moveItem(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  source: Tenant,
  item: RewrapItem,
  typ: JweType,
): Promise<Moved> {
  const { to = {} } = item;
  const target = await grantedTenant(deps.tenants, request.principal, 'Data.Encrypt', to.tenantId ?? source.id);
  const context = canonicalContext(item.encryptionContext);
  const key = dataKeyByAlias(target, to.key);
  const { plaintext, ...opened } = await openMessage(deps, source, item.ciphertext, context, typ);
  const bytes = plaintext.length;
  const { ciphertext, ...sealed } = await sealAnew(deps, target, key, plaintext, context, typ);
  return { ciphertext, target: target.id, opened: { ...opened, bytes }, sealed: { ...sealed, bytes }, context };
}

async function sealAnew(
  deps: OpenDeps,
  target: Tenant,
  key: RegisteredKey,
  plaintext: Buffer,
  context: Buffer | undefined,
  typ: JweType,
) {
  try {
    await deps.dataKeys.freshenVersion(target, key);
    return await sealMessage(deps, target, key, plaintext, context, typ);
  } finally {
    plaintext.fill(0);
  }
}

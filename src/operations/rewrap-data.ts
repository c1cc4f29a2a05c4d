import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import type { Principal } from '../callers/principal.ts';
import { ServiceError } from '../errors.ts';
import type { LeafUse } from '../format/compact.ts';
import { canonicalContext } from '../format/encryption-context.ts';
import type { PolicedUse } from '../keyring/policy/assert-allowed.ts';
import type { JsonSafeText } from '../lib/json-safe.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import {
  type Batch,
  type DoneItems,
  eachItem,
  type ItemUse,
  type Outcome,
  recordBatch,
  type SliceDeps,
} from './batch.ts';
import type { Encrypted } from './encrypt-data.ts';
import {
  assertGranted,
  GRANT_HOLDS_MS,
  type GrantDeps,
  openGrant,
  type Requester,
  type TenantGrant,
  underGrant,
} from './granted-tenant.ts';
import { accessProver, type Ciphertext, type OpenDeps, openMessage } from './open-message.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { type TargetKey, targetKey } from './registered-key.ts';
import { type SealedMessage, sealMessage } from './seal-message.ts';
import { contextForSealing } from './sealing-context.ts';

export interface RewrapDeps extends AuditDeps, OpenDeps, GrantDeps, SliceDeps {}

/** One message to move. */
export interface RewrapItem {
  readonly ciphertext: Ciphertext;
  readonly encryptionContext?: unknown;
  /** The default is the same tenant and its default key. */
  readonly to?: (TargetKey & { readonly tenantId?: string | undefined }) | undefined;
}

export interface RewrapInput extends RewrapItem {
  readonly tenantId: string;
}

/**
 * Returns the message sealed again under the newest version, another key or another tenant; its
 * plaintext stays in the service. The context stays the same. For another tenant it must contain
 * every name that the tenant's record requires, as for all new data. Within one tenant, names that
 * were required later do not apply to old data: it could never be moved to a new key version.
 * @throws ServiceError
 */
export const rewrapData = (deps: RewrapDeps, request: AuthenticatedRequest, input: RewrapInput): Promise<Encrypted> =>
  rewrapOne(deps, request, input, 'message');

/**
 * Returns the same for the header of a stream.
 * @throws ServiceError
 */
export const rewrapStreamHeader = (
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  input: RewrapInput,
): Promise<Encrypted> => rewrapOne(deps, request, input, 'stream');

async function rewrapOne(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  input: RewrapInput,
  use: LeafUse,
): Promise<Encrypted> {
  const { tenantId, to = {} } = input;
  const operation = use === 'message' ? 'rewrap' : 'rewrap-stream';
  assertTarget(request.principal, to.tenantId ?? tenantId);
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const targets: Targets = new Map();
  const moved = await underGrant(grant, (source) => moveItem(deps, request, source, targets, input, use));
  const { ciphertext, target, opened, sealed, context } = moved;
  if (target !== tenantId) await recordSuccess(deps, request, { operation, tenantId, ...opened }, context);
  await recordSuccess(deps, request, { operation, tenantId: target, ...sealed }, context);
  return { ciphertext, keyId: sealed.keyId };
}

/**
 * Rewraps many of one tenant's messages independently.
 * @throws ServiceError for a failure of the whole batch
 */
export async function rewrapBatch(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<RewrapItem>,
): Promise<readonly Outcome<Encrypted>[]> {
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  return recordMoves(deps, request, tenantId, await rewrapItems(deps, request, grant, items));
}

/** Returns the outcome of each item, moved under the grant on its source. */
export function rewrapItems(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  grant: TenantGrant,
  items: Batch<RewrapItem>['items'],
): Promise<readonly Outcome<Moved>[]> {
  const targets: Targets = new Map();
  return eachItem(deps, items, grant, (item, source) => moveItem(deps, request, source, targets, item, 'message'));
}

/** Records a batch and returns its outcomes for the caller. `done` stayed with the tenant. */
export async function recordMoves(
  deps: AuditDeps,
  request: AuthenticatedRequest,
  tenantId: string,
  outcomes: readonly Outcome<Moved>[],
  done: readonly DoneItems[] = [],
): Promise<readonly Outcome<Encrypted>[]> {
  const moved = outcomes.flatMap((outcome) => ('value' in outcome ? outcome.value : []));
  const elsewhere = Map.groupBy(
    moved.filter(({ target }) => target !== tenantId),
    ({ target }) => target,
  );
  const operation = 'batch-rewrap';
  // The source tenant's log counts every item; each target tenant's log counts the items that it
  // received.
  await recordBatch(deps, request, { operation, tenantId }, outcomes.map(usedAt(tenantId)), done);
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

export interface Moved {
  readonly ciphertext: JsonSafeText;
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

/** Returns the grant on the target. @throws ServiceError as openGrant, with pointers into `to` */
export async function openTarget(deps: GrantDeps, request: Requester, tenantId: string): Promise<TenantGrant> {
  try {
    return await openGrant(deps, request, 'Data.Encrypt', tenantId);
  } catch (error) {
    throw atTarget(error);
  }
}

/**
 * Asserts the caller's grant on the target before anything is looked up.
 * @throws ServiceError as openTarget
 */
export function assertTarget(principal: Principal, tenantId: string): void {
  try {
    assertGranted(principal, 'Data.Encrypt', tenantId);
  } catch (error) {
    throw atTarget(error);
  }
}

/** A tenant that is absent and one that the caller may not see give the same refusal. */
const atTarget = (error: unknown): unknown =>
  error instanceof ServiceError && error.code === 'tenant-not-found'
    ? error.with({ errors: [{ pointer: '/to/tenantId', detail: 'is not a tenant' }] })
    : error;

/** Grants on the tenants that a batch moves messages to. Each is checked again each second. */
type Targets = Map<string, TenantGrant>;

function targetIn(targets: Targets, deps: GrantDeps, request: Requester, tenantId: string): Soon<TenantGrant> {
  return (
    targets.get(tenantId) ??
    openTarget(deps, request, tenantId).then((grant) => {
      targets.set(tenantId, grant);
      return grant;
    })
  );
}

function moveItem(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  source: Tenant,
  targets: Targets,
  item: RewrapItem,
  use: LeafUse,
): Soon<Moved> {
  const { to = {}, ciphertext: before, encryptionContext } = item;
  const startedAt = deps.clock.monotonicMs();
  return whenReady(targetIn(targets, deps, request, to.tenantId ?? source.id), (grant) => {
    const target = grant.tenant.id;
    const isNewThere = target !== source.id;
    const context = isNewThere
      ? contextForSealing(grant.tenant, encryptionContext)
      : canonicalContext(encryptionContext);
    const key = targetKey(grant.tenant, to, encryptionContext);
    const move = { ciphertext: before, key, context, use, startedAt };
    return whenReady(moveMessage(deps, request, source, grant, move), ({ ciphertext, opened, sealed }) => ({
      ciphertext,
      target,
      opened,
      sealed,
      context,
    }));
  });
}

/** One message during its move: the grant and the key are those of the target. */
interface MessageMove {
  readonly ciphertext: Ciphertext;
  readonly key: RegisteredKey;
  readonly context: Buffer | undefined;
  readonly use: LeafUse;
  /** Start of the move, monotonic milliseconds. */
  readonly startedAt: number;
}

/**
 * Opens a message of the source and seals it again under the grant's tenant.
 * @throws ServiceError
 */
export function moveMessage(
  deps: RewrapDeps,
  { access }: Pick<AuthenticatedRequest, 'access'>,
  source: Tenant,
  grant: TenantGrant,
  { ciphertext: before, key, context, use, startedAt }: MessageMove,
): Soon<Pick<Moved, 'ciphertext' | 'opened' | 'sealed'>> {
  const opening = { operation: 'decrypt', context, access } as const;
  return whenReady(openMessage(deps, source, before, opening, use), ({ plaintext, keyId, vaultCall, bytes }) => {
    // Written out: a spread costs 0.5 µs a message.
    const opened = { keyId, vaultCall, bytes };
    const sealing = { operation: 'encrypt', context, access } as const;
    return whenReady(sealAnew(deps, grant, key, plaintext, sealing, use), (sealed) => {
      const { ciphertext, keyId: newKeyId, vaultCall: newVaultCall } = sealed;
      const moved = { ciphertext, opened, sealed: { keyId: newKeyId, vaultCall: newVaultCall, bytes } };
      // The source's proof may have expired while the target's vault was slow.
      const hasLasted = deps.clock.monotonicMs() - startedAt >= GRANT_HOLDS_MS;
      return hasLasted ? accessProver(deps, before, opening, use)(source).then(() => moved) : moved;
    });
  });
}

/** Returns the message sealed under the grant's tenant. The plaintext is overwritten. */
function sealAnew(
  deps: OpenDeps,
  grant: TenantGrant,
  key: RegisteredKey,
  plaintext: Buffer,
  about: PolicedUse,
  use: LeafUse,
): Soon<SealedMessage> {
  const seal = (target: Tenant) =>
    whenReady(deps.dataKeys.freshenVersion(target, key), () => sealMessage(deps, target, key, plaintext, about, use));
  return wiping(plaintext, () => underGrant(grant, seal));
}

/** Runs work and overwrites the bytes after it, whether it succeeds or fails, at once or later. */
function wiping<T>(bytes: Buffer, work: () => Soon<T>): Soon<T> {
  let running: Soon<T> | undefined;
  try {
    running = work();
    return running instanceof Promise ? running.finally(() => bytes.fill(0)) : running;
  } finally {
    if (!(running instanceof Promise)) bytes.fill(0);
  }
}

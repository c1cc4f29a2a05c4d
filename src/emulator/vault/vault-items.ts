import { randomBytes } from 'node:crypto';
import { type Cloud, epochSeconds } from '../cloud.ts';
import type { ItemVersion, KeyVersion, SecretVersion, VaultItem, VaultState } from '../state.ts';
import type { Area } from './vault-access.ts';
import { badParameter, VaultRefusal } from './vault-refusal.ts';

const RETENTION_DAYS = 90;
const DAY_MS = 86_400_000;

/** The common part of keys and secrets: names, versions, attributes and soft delete. */
export interface Shelf<Version extends ItemVersion> {
  readonly area: Area;
  readonly what: 'Key' | 'Secret';
  readonly items: VaultItem<Version>[];
}

export const keyShelf = ({ keys }: VaultState): Shelf<KeyVersion> => ({ area: 'keys', what: 'Key', items: keys });
export const secretShelf = ({ secrets }: VaultState): Shelf<SecretVersion> => ({
  area: 'secrets',
  what: 'Secret',
  items: secrets,
});

const findItem = <V extends ItemVersion>({ items }: Shelf<V>, name: string): VaultItem<V> | undefined =>
  items.find((item) => item.name.toLowerCase() === name.toLowerCase());

export function liveItem<V extends ItemVersion>(shelf: Shelf<V>, name: string): VaultItem<V> {
  const item = findItem(shelf, name);
  if (item === undefined || item.deletedMs !== undefined) throw notFound(shelf, name);
  return item;
}

export function deletedItem<V extends ItemVersion>(shelf: Shelf<V>, name: string): VaultItem<V> {
  const item = findItem(shelf, name);
  if (item?.deletedMs === undefined) throw notFound(shelf, name);
  return item;
}

/** Returns the requested version, or the newest. */
export function versionOf<V extends ItemVersion>(shelf: Shelf<V>, name: string, wanted: string | undefined): V {
  const { versions } = liveItem(shelf, name);
  const found = wanted === undefined ? versions.at(-1) : versions.find(({ version }) => version === wanted);
  if (found === undefined) throw notFound(shelf, `${name}/${wanted}`);
  return found;
}

function notFound({ what }: Shelf<ItemVersion>, name: string): VaultRefusal {
  const message = `A ${what.toLowerCase()} with (name/id) ${name} was not found in this key vault. If it was deleted a short while ago it may still be recovered.`;
  return new VaultRefusal(404, `${what}NotFound`, message);
}

export function addVersion<V extends ItemVersion>(shelf: Shelf<V>, name: string, version: V): void {
  if (!/^[a-z\d-]{1,127}$/i.test(name)) throw badParameter(`The request URI contains an invalid name: ${name}`);
  assertNotDeleted(shelf, name);
  const item = findItem(shelf, name);
  if (item === undefined) shelf.items.push({ name, versions: [version] });
  else item.versions.push(version);
}

export function assertNotDeleted(shelf: Shelf<ItemVersion>, name: string): void {
  if (findItem(shelf, name)?.deletedMs === undefined) return;
  throw new VaultRefusal(
    409,
    'Conflict',
    `${shelf.what} ${name} is currently in a deleted but recoverable state, and its name cannot be reused.`,
    { inner: 'ObjectIsDeletedButRecoverable' },
  );
}

export interface SettableAttributes {
  readonly enabled?: boolean | undefined;
  /** `null` removes it. */
  readonly nbf?: number | null | undefined;
  readonly exp?: number | null | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export function newVersion(cloud: Cloud, settable: SettableAttributes): ItemVersion {
  const created = epochSeconds(cloud);
  const version = { version: randomBytes(16).toString('hex'), enabled: true, created, updated: created };
  setAttributes(cloud, version, settable);
  return version;
}

export function setAttributes(cloud: Cloud, version: ItemVersion, settable: SettableAttributes): void {
  if (settable.enabled !== undefined) version.enabled = settable.enabled;
  if (settable.nbf !== undefined) version.nbf = settable.nbf ?? undefined;
  if (settable.exp !== undefined) version.exp = settable.exp ?? undefined;
  if (settable.tags !== undefined) version.tags = settable.tags;
  version.updated = epochSeconds(cloud);
}

export function attributesOf(vault: VaultState, version: ItemVersion): Readonly<Record<string, unknown>> {
  const { enabled, nbf, exp, created, updated } = version;
  const recoveryLevel = vault.hasPurgeProtection ? 'Recoverable' : 'Recoverable+Purgeable';
  return { enabled, nbf, exp, created, updated, recoveryLevel, recoverableDays: RETENTION_DAYS };
}

export function softDelete(cloud: Cloud, shelf: Shelf<ItemVersion>, name: string): void {
  liveItem(shelf, name).deletedMs = cloud.now();
}

export function recover(shelf: Shelf<ItemVersion>, name: string): void {
  deletedItem(shelf, name).deletedMs = undefined;
}

export function purge(vault: VaultState, shelf: Shelf<ItemVersion>, name: string): void {
  const item = deletedItem(shelf, name);
  if (vault.hasPurgeProtection) {
    throw new VaultRefusal(403, 'Forbidden', 'Operation "purge" is not allowed: purge protection is enabled.', {
      inner: 'PurgeProtectionEnabled',
    });
  }
  shelf.items.splice(shelf.items.indexOf(item), 1);
}

export function deletionOf(
  vaultUrl: string,
  area: Area,
  item: VaultItem<ItemVersion>,
): Readonly<Record<string, unknown>> {
  const deletedMs = item.deletedMs ?? 0;
  return {
    recoveryId: `${vaultUrl}/deleted${area}/${item.name}`,
    deletedDate: Math.floor(deletedMs / 1000),
    scheduledPurgeDate: Math.floor((deletedMs + RETENTION_DAYS * DAY_MS) / 1000),
  };
}

/** Returns the settable attributes in a request's JSON body. */
export function settableFrom(body: Readonly<Record<string, unknown>>): SettableAttributes {
  const attributes = isRecord(body['attributes']) ? body['attributes'] : {};
  const { enabled, nbf, exp } = attributes;
  if (enabled !== undefined && typeof enabled !== 'boolean') throw badParameter('Property enabled is not a boolean');
  return {
    enabled,
    nbf: secondsFrom('nbf', nbf),
    exp: secondsFrom('exp', exp),
    ...(isRecord(body['tags']) && { tags: body['tags'] as Record<string, string> }),
  };
}

function secondsFrom(name: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number') throw badParameter(`Property ${name} is not a time in seconds`);
  return value;
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

import { type Cloud, epochSeconds } from '../cloud.ts';
import { ok, type Reply } from '../reply.ts';
import type { KeyVersion, VaultItem, VaultState } from '../state.ts';
import {
  defaultOperations,
  generateMaterial,
  importMaterial,
  type KeyMaterial,
  publicMembers,
  sizeOf,
} from './key-material.ts';
import { assertUsable, type KeyOperation, type OperationInput, operate } from './key-operations.ts';
import {
  addVersion,
  assertNotDeleted,
  attributesOf,
  deletedItem,
  deletionOf,
  isRecord,
  keyShelf,
  liveItem,
  newVersion,
  purge,
  recover,
  type SettableAttributes,
  setAttributes,
  settableFrom,
  softDelete,
  versionOf,
} from './vault-items.ts';
import { badParameter, forbidden } from './vault-refusal.ts';
import { jsonBody, page, textMember, type VaultHandler, type VaultRequest } from './vault-request.ts';

const BASE64URL = /^[\w-]*$/;

export interface KeySettings extends SettableAttributes {
  readonly keyOps?: readonly string[] | undefined;
}

export function addKeyVersion(
  cloud: Cloud,
  vault: VaultState,
  name: string,
  material: KeyMaterial,
  settings: KeySettings = {},
): KeyVersion {
  const version: KeyVersion = {
    ...newVersion(cloud, settings),
    ...material,
    keyOps: settings.keyOps ?? defaultOperations(material.kty),
  };
  addVersion(keyShelf(vault), name, version);
  cloud.changed();
  return version;
}

/** Adds and returns a new version with the properties of the newest one and a new key. */
export async function rotate(cloud: Cloud, vault: VaultState, name: string): Promise<KeyVersion> {
  const newest = versionOf(keyShelf(vault), name, undefined);
  const material = await generateMaterial(vault.kind, newest.kty, sizeOf(newest));
  return addKeyVersion(cloud, vault, name, material, { tags: newest.tags, keyOps: newest.keyOps });
}

export const createKey: VaultHandler = async (request) => {
  const { cloud, vault, name } = request;
  const body = await jsonBody(request);
  assertNotDeleted(keyShelf(vault), name);
  const size = typeof body['key_size'] === 'number' ? body['key_size'] : undefined;
  const material = await generateMaterial(vault.kind, textMember(body, 'kty'), size);
  return bundle(request, addKeyVersion(cloud, vault, name, material, settingsFrom(body)));
};

export const importKey: VaultHandler = async (request) => {
  const { cloud, vault, name } = request;
  const body = await jsonBody(request);
  const jwk = body['key'];
  if (!isRecord(jwk)) throw badParameter('Property key is required');
  const settings = { ...settingsFrom(body), keyOps: operationsFrom(jwk) ?? operationsFrom(body) };
  return bundle(request, addKeyVersion(cloud, vault, name, importMaterial(vault.kind, jwk), settings));
};

export const rotateKey: VaultHandler = async (request) => {
  // No key of the emulator has a rotation policy; a vault rotates a key without one, a Managed HSM
  // does not.
  if (request.vault.kind === 'hsm') throw badParameter('The key has no rotation policy');
  return bundle(request, await rotate(request.cloud, request.vault, request.name));
};

export const getKey: VaultHandler = (request) => {
  const { vault, name, version } = request;
  const found = versionOf(keyShelf(vault), name, version);
  if (!found.enabled && !vault.disabledKeysReadable) {
    throw forbidden('KeyDisabled', 'Operation get is not allowed on a disabled key.');
  }
  return bundle(request, found);
};

export const updateKey: VaultHandler = async (request) => {
  const { cloud, vault, name, version } = request;
  const body = await jsonBody(request);
  const found = versionOf(keyShelf(vault), name, version);
  setAttributes(cloud, found, settableFrom(body));
  found.keyOps = operationsFrom(body) ?? found.keyOps;
  cloud.changed();
  return bundle(request, found);
};

export const listKeys: VaultHandler = (request) => {
  const { cloud, vault } = request;
  const live = vault.keys.filter(({ deletedMs }) => deletedMs === undefined);
  return page(
    request,
    live.map((item) => [item.name, listed(cloud, vault, item)]),
  );
};

export const listDeletedKeys: VaultHandler = (request) => {
  const { cloud, vault } = request;
  const deleted = vault.keys.filter(({ deletedMs }) => deletedMs !== undefined);
  return page(
    request,
    deleted.map((item) => [
      item.name,
      { ...listed(cloud, vault, item), ...deletionOf(cloud.vaultUrl(vault.name), 'keys', item) },
    ]),
  );
};

export const listKeyVersions: VaultHandler = (request) => {
  const { cloud, vault, name } = request;
  const item = liveItem(keyShelf(vault), name);
  return page(
    request,
    item.versions.map((version) => [
      version.version,
      { kid: keyId(cloud, vault, item.name, version), attributes: attributesOf(vault, version), tags: version.tags },
    ]),
  );
};

export const deleteKey: VaultHandler = (request) => {
  softDelete(request.cloud, keyShelf(request.vault), request.name);
  request.cloud.changed();
  return getDeletedKey(request);
};

export const getDeletedKey: VaultHandler = ({ cloud, vault, name }) => {
  const item = deletedItem(keyShelf(vault), name);
  return ok({
    ...bundleOf(cloud, vault, item.name, newestOf(item)),
    ...deletionOf(cloud.vaultUrl(vault.name), 'keys', item),
  });
};

export const recoverDeletedKey: VaultHandler = (request) => {
  const { cloud, vault, name } = request;
  recover(keyShelf(vault), name);
  cloud.changed();
  return bundle(request, versionOf(keyShelf(vault), name, undefined));
};

export const purgeDeletedKey: VaultHandler = ({ cloud, vault, name }) => {
  purge(vault, keyShelf(vault), name);
  cloud.changed();
  return { status: 204 };
};

export const keyOperation =
  (operation: KeyOperation): VaultHandler =>
  async (request) => {
    const { cloud, vault, name, version } = request;
    const body = await jsonBody(request);
    const input: OperationInput = {
      alg: textMember(body, 'alg'),
      value: bytesMember(body, 'value'),
      ...(operation === 'verify' && { digest: bytesMember(body, 'digest') }),
    };
    const found = versionOf(keyShelf(vault), name, version);
    assertUsable(found, operation, epochSeconds(cloud));
    const value = operate(found, operation, input);
    if (typeof value === 'boolean') return ok({ value });
    return ok({ kid: keyId(cloud, vault, name, found), value: value.toString('base64url') });
  };

function bytesMember(body: Readonly<Record<string, unknown>>, name: string): Buffer {
  const text = textMember(body, name);
  if (text === '' || !BASE64URL.test(text)) throw badParameter(`Property ${name} is not base64url`);
  return Buffer.from(text, 'base64url');
}

function settingsFrom(body: Readonly<Record<string, unknown>>): KeySettings {
  return { ...settableFrom(body), keyOps: operationsFrom(body) };
}

function operationsFrom(body: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  const operations = body['key_ops'];
  return Array.isArray(operations) ? operations.map(String) : undefined;
}

export const keyId = (cloud: Cloud, vault: VaultState, name: string, { version }: KeyVersion): string =>
  `${cloud.vaultUrl(vault.name)}/keys/${name}/${version}`;

const bundle = ({ cloud, vault, name }: VaultRequest, version: KeyVersion): Reply =>
  ok(bundleOf(cloud, vault, name, version));

function bundleOf(cloud: Cloud, vault: VaultState, name: string, version: KeyVersion): Record<string, unknown> {
  return {
    key: {
      kid: keyId(cloud, vault, name, version),
      kty: version.kty,
      key_ops: version.keyOps,
      ...publicMembers(version),
    },
    attributes: attributesOf(vault, version),
    tags: version.tags,
  };
}

function newestOf(item: VaultItem<KeyVersion>): KeyVersion {
  const newest = item.versions.at(-1);
  if (newest === undefined) throw new Error(`The key ${item.name} has lost its versions`);
  return newest;
}

function listed(cloud: Cloud, vault: VaultState, item: VaultItem<KeyVersion>): Record<string, unknown> {
  const newest = newestOf(item);
  return {
    kid: `${cloud.vaultUrl(vault.name)}/keys/${item.name}`,
    attributes: attributesOf(vault, newest),
    tags: newest.tags,
  };
}

import type { Cloud } from '../cloud.ts';
import { ok } from '../reply.ts';
import type { SecretVersion, VaultItem, VaultState } from '../state.ts';
import {
  addVersion,
  attributesOf,
  deletedItem,
  deletionOf,
  liveItem,
  newVersion,
  purge,
  recover,
  type SettableAttributes,
  secretShelf,
  setAttributes,
  settableFrom,
  softDelete,
  versionOf,
} from './vault-items.ts';
import { forbidden } from './vault-refusal.ts';
import { jsonBody, page, textMember, type VaultHandler } from './vault-request.ts';

export interface SecretSettings extends SettableAttributes {
  readonly contentType?: string | undefined;
}

export function addSecretVersion(
  cloud: Cloud,
  vault: VaultState,
  name: string,
  value: string,
  settings: SecretSettings = {},
): SecretVersion {
  const version: SecretVersion = { ...newVersion(cloud, settings), value, contentType: settings.contentType };
  addVersion(secretShelf(vault), name, version);
  cloud.changed();
  return version;
}

export const setSecret: VaultHandler = async (request) => {
  const { cloud, vault, name } = request;
  const body = await jsonBody(request);
  const settings = { ...settableFrom(body), contentType: contentTypeFrom(body) };
  return ok(bundleOf(cloud, vault, name, addSecretVersion(cloud, vault, name, textMember(body, 'value'), settings)));
};

/** Returns a secret. One outside its time window can still be read; only a disabled one cannot. */
export const getSecret: VaultHandler = ({ cloud, vault, name, version }) => {
  const found = versionOf(secretShelf(vault), name, version);
  if (!found.enabled) throw forbidden('SecretDisabled', 'Operation get is not allowed on a disabled secret.');
  return ok(bundleOf(cloud, vault, name, found));
};

export const updateSecret: VaultHandler = async (request) => {
  const { cloud, vault, name, version } = request;
  const body = await jsonBody(request);
  const found = versionOf(secretShelf(vault), name, version);
  setAttributes(cloud, found, settableFrom(body));
  found.contentType = contentTypeFrom(body) ?? found.contentType;
  cloud.changed();
  return ok(propertiesOf(cloud, vault, name, found));
};

export const listSecrets: VaultHandler = (request) => {
  const { cloud, vault } = request;
  const live = vault.secrets.filter(({ deletedMs }) => deletedMs === undefined);
  return page(
    request,
    live.map((item) => [item.name, listed(cloud, vault, item)]),
  );
};

export const listDeletedSecrets: VaultHandler = (request) => {
  const { cloud, vault } = request;
  const deleted = vault.secrets.filter(({ deletedMs }) => deletedMs !== undefined);
  return page(
    request,
    deleted.map((item) => [item.name, { ...listed(cloud, vault, item), ...deletion(cloud, vault, item) }]),
  );
};

export const listSecretVersions: VaultHandler = (request) => {
  const { cloud, vault, name } = request;
  const { versions } = liveItem(secretShelf(vault), name);
  return page(
    request,
    versions.map((version) => [version.version, propertiesOf(cloud, vault, name, version)]),
  );
};

export const deleteSecret: VaultHandler = (request) => {
  softDelete(request.cloud, secretShelf(request.vault), request.name);
  request.cloud.changed();
  return getDeletedSecret(request);
};

export const getDeletedSecret: VaultHandler = ({ cloud, vault, name }) => {
  const item = deletedItem(secretShelf(vault), name);
  return ok({ ...propertiesOf(cloud, vault, item.name, newestOf(item)), ...deletion(cloud, vault, item) });
};

export const recoverDeletedSecret: VaultHandler = ({ cloud, vault, name }) => {
  recover(secretShelf(vault), name);
  cloud.changed();
  return ok(propertiesOf(cloud, vault, name, versionOf(secretShelf(vault), name, undefined)));
};

export const purgeDeletedSecret: VaultHandler = ({ cloud, vault, name }) => {
  purge(vault, secretShelf(vault), name);
  cloud.changed();
  return { status: 204 };
};

function contentTypeFrom(body: Readonly<Record<string, unknown>>): string | undefined {
  return typeof body['contentType'] === 'string' ? body['contentType'] : undefined;
}

function propertiesOf(cloud: Cloud, vault: VaultState, name: string, version: SecretVersion): Record<string, unknown> {
  return {
    id: `${cloud.vaultUrl(vault.name)}/secrets/${name}/${version.version}`,
    contentType: version.contentType,
    attributes: attributesOf(vault, version),
    tags: version.tags,
  };
}

const bundleOf = (cloud: Cloud, vault: VaultState, name: string, version: SecretVersion): Record<string, unknown> => ({
  value: version.value,
  ...propertiesOf(cloud, vault, name, version),
});

function newestOf(item: VaultItem<SecretVersion>): SecretVersion {
  const newest = item.versions.at(-1);
  if (newest === undefined) throw new Error(`The secret ${item.name} has lost its versions`);
  return newest;
}

const listed = (cloud: Cloud, vault: VaultState, item: VaultItem<SecretVersion>): Record<string, unknown> => ({
  ...propertiesOf(cloud, vault, item.name, newestOf(item)),
  id: `${cloud.vaultUrl(vault.name)}/secrets/${item.name}`,
});

const deletion = (cloud: Cloud, vault: VaultState, item: VaultItem<SecretVersion>): Record<string, unknown> =>
  deletionOf(cloud.vaultUrl(vault.name), 'secrets', item);

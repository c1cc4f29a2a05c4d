import { type Cloud, getVault } from '../cloud.ts';
import { tenantTag } from '../seed.ts';
import type { ItemVersion, KeyVersion, VaultState } from '../state.ts';
import { generateMaterial } from '../vault/key-material.ts';
import {
  keyShelf,
  liveItem,
  recover,
  type Shelf,
  secretShelf,
  setAttributes,
  softDelete,
  versionOf,
} from '../vault/vault-items.ts';
import { addKeyVersion, keyId, rotate } from '../vault/vault-keys.ts';
import { addSecretVersion } from '../vault/vault-secrets.ts';
import type { Actions, KeyReference } from './control.ts';

type KeyActions = Pick<
  Actions,
  | 'createKey'
  | 'rotateKey'
  | 'disableKey'
  | 'enableKey'
  | 'setKeyAttributes'
  | 'deleteKey'
  | 'recoverKey'
  | 'setSecret'
  | 'disableSecretVersion'
>;

/** Returns the actions of a vault's owner on its keys and secrets. */
export function keyActions(cloud: Cloud): KeyActions {
  const vaultOf = (order: { readonly vault: string }): VaultState => getVault(cloud.state, order.vault);
  return {
    async createKey({ vault: vaultName, key, kty, size, tags, ...others }) {
      const vault = getVault(cloud.state, vaultName);
      const settings = { ...others, tags: tags ?? tenantTag(cloud, vault) };
      const material = await generateMaterial(vault.kind, kty ?? (vault.kind === 'hsm' ? 'oct-HSM' : 'RSA'), size);
      return referenceTo(cloud, vault, key, addKeyVersion(cloud, vault, key, material, settings));
    },
    async rotateKey(order) {
      const vault = vaultOf(order);
      return referenceTo(cloud, vault, order.key, await rotate(cloud, vault, order.key));
    },
    disableKey: async (order) =>
      setEnabled(cloud, keyShelf(vaultOf(order)), order.key, { version: order.version, enabled: false }),
    enableKey: async (order) =>
      setEnabled(cloud, keyShelf(vaultOf(order)), order.key, { version: order.version, enabled: true }),
    async setKeyAttributes({ vault, key, version, keyOps, ...settable }) {
      const found = versionOf(keyShelf(vaultOf({ vault })), key, version);
      setAttributes(cloud, found, settable);
      found.keyOps = keyOps ?? found.keyOps;
      cloud.changed();
    },
    async deleteKey(order) {
      softDelete(cloud, keyShelf(vaultOf(order)), order.key);
      cloud.changed();
    },
    async recoverKey(order) {
      recover(keyShelf(vaultOf(order)), order.key);
      cloud.changed();
    },
    async setSecret({ vault, name, value, ...settings }) {
      return { version: addSecretVersion(cloud, vaultOf({ vault }), name, value, settings).version };
    },
    async disableSecretVersion(order) {
      const shelf = secretShelf(vaultOf(order));
      const { version } = versionOf(shelf, order.name, order.version);
      setEnabled(cloud, shelf, order.name, { version, enabled: false });
    },
  };
}

function setEnabled(
  cloud: Cloud,
  shelf: Shelf<ItemVersion>,
  name: string,
  change: { readonly version: string | undefined; readonly enabled: boolean },
): void {
  const { version, enabled } = change;
  const meant = version === undefined ? liveItem(shelf, name).versions : [versionOf(shelf, name, version)];
  for (const found of meant) setAttributes(cloud, found, { enabled });
  cloud.changed();
}

const referenceTo = (cloud: Cloud, vault: VaultState, name: string, version: KeyVersion): KeyReference => ({
  kid: keyId(cloud, vault, name, version),
  version: version.version,
});

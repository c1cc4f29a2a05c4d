import type { Actions } from '../../src/emulator/control/control.ts';

const SETTINGS = 'az keyvault key set-attributes --vault-name localhost --name data';
const ENABLE = /^az keyvault key set-attributes .* --version [0-9a-f]{32} --enabled true$/;

export interface Refusal {
  readonly reason: string;
  readonly owner: string;
  /** Absent: the fix is only described in words. */
  readonly command?: string | RegExp;
}

interface Way {
  readonly refuse: (control: Actions, name: string) => Promise<void>;
  readonly restore: (control: Actions, name: string) => Promise<void>;
  readonly encrypt: Refusal;
  /** Absent: earlier messages still open. */
  readonly decrypt?: Refusal;
}

/** Returns orders for attributes; the same order without a value restores the key. */
const attributes = (change: object, none: object): Pick<Way, 'refuse' | 'restore'> => ({
  refuse: (control, vault) => control.setKeyAttributes({ vault, key: 'data', ...change }),
  restore: (control, vault) => control.setKeyAttributes({ vault, key: 'data', ...none }),
});
const both = (refusal: Refusal): Pick<Way, 'encrypt' | 'decrypt'> => ({ encrypt: refusal, decrypt: refusal });
const policy = ['get', 'wrapKey', 'unwrapKey'];
const forbiddenOperation = { reason: 'key-operation-forbidden', owner: 'resource-owner' };
/** The vault's refusal does not contain the present operations. */
const LOOKED_UP = /--ops \$\( \{ az keyvault key show /;
const disabled = { reason: 'key-disabled', owner: 'resource-owner' };

/**
 * Every way for a customer to refuse, by the customer's name. `{APP}` in a command is replaced by
 * the app's id.
 */
export const ways: Readonly<Record<string, Way>> = {
  'disabled-key': {
    refuse: (control, vault) => control.disableKey({ vault, key: 'data' }),
    restore: (control, vault) => control.enableKey({ vault, key: 'data' }),
    ...both({ ...disabled, command: ENABLE }),
  },
  'unreadable-disabled-key': {
    refuse: async (control, vault) => {
      await control.setVaultOptions({ vault, disabledKeysReadable: false });
      await control.disableKey({ vault, key: 'data' });
    },
    restore: (control, vault) => control.enableKey({ vault, key: 'data' }),
    ...both({ ...disabled, command: `${SETTINGS} --enabled true` }),
  },
  'expired-key': {
    ...attributes({ exp: 1 }, { exp: null }),
    encrypt: { reason: 'key-expired', owner: 'resource-owner', command: /^az keyvault key rotate / },
  },
  'future-key': {
    ...attributes({ nbf: 9_999_999_999 }, { nbf: null }),
    encrypt: { reason: 'key-not-yet-valid', owner: 'resource-owner', command: /--not-before / },
  },
  'deleted-key': {
    refuse: (control, vault) => control.deleteKey({ vault, key: 'data' }),
    restore: (control, vault) => control.recoverKey({ vault, key: 'data' }),
    ...both({ reason: 'key-absent', owner: 'resource-owner', command: /^az keyvault key recover .* --name data$/ }),
  },
  'signing-key': {
    ...attributes({ keyOps: ['sign', 'verify'] }, { keyOps: ['wrapKey', 'unwrapKey'] }),
    encrypt: { ...forbiddenOperation, command: /--ops sign verify wrapKey unwrapKey$/ },
    decrypt: { ...forbiddenOperation, command: LOOKED_UP },
  },
  'wrapping-key': {
    ...attributes({ keyOps: ['wrapKey'] }, { keyOps: ['wrapKey', 'unwrapKey'] }),
    encrypt: { ...forbiddenOperation, command: /--ops wrapKey unwrapKey$/ },
    decrypt: { ...forbiddenOperation, command: LOOKED_UP },
  },
  'removed-role': {
    refuse: (control, vault) => control.removeRole({ vault }),
    restore: (control, vault) => control.grantRole({ vault, role: 'Key Vault Crypto Service Encryption User' }),
    ...both({
      reason: 'role-missing',
      owner: 'resource-owner',
      command: /^az role assignment create .*{APP}.*\/keys\/data"$/,
    }),
  },
  'removed-policy': {
    refuse: async (control, vault) => {
      await control.setAccessPolicy({ vault, keys: policy });
      await control.removeAccessPolicy({ vault });
    },
    restore: (control, vault) => control.setAccessPolicy({ vault, keys: policy }),
    ...both({
      reason: 'policy-missing',
      owner: 'resource-owner',
      command: /set-policy .*{APP} --key-permissions get wrapKey unwrapKey$/,
    }),
  },
  firewall: {
    refuse: (control, vault) => control.setFirewall({ vault, deny: true }),
    restore: (control, vault) => control.setFirewall({ vault, deny: false }),
    ...both({ reason: 'firewall', owner: 'resource-owner', command: /^az keyvault network-rule add / }),
  },
  'disabled-app': {
    refuse: (control, tenant) => control.disableApp({ tenant }),
    restore: (control, tenant) => control.enableApp({ tenant }),
    ...both({ reason: 'app-disabled', owner: 'customer-admin', command: /--id {APP} --set accountEnabled=true$/ }),
  },
  'removed-app': {
    refuse: (control, tenant) => control.removeApp({ tenant }),
    restore: async (control, tenant) => {
      await control.addApp({ tenant });
      await control.grantRole({ vault: tenant, role: 'Key Vault Crypto Service Encryption User' });
    },
    ...both({
      reason: 'app-absent',
      owner: 'customer-admin',
      command: /^az login --tenant [0-9a-f-]{36} .* --id {APP}$/,
    }),
  },
  'conditional-access': {
    refuse: (control, tenant) => control.blockByConditionalAccess({ tenant }),
    restore: (control, tenant) => control.unblock({ tenant }),
    ...both({ reason: 'conditional-access', owner: 'customer-admin' }),
  },
};

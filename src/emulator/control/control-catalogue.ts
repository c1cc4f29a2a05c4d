import type { Actions } from './control.ts';

type Kind = 'string' | 'number' | 'number|null' | 'boolean' | 'string[]' | 'map of strings';
/** A `?` after a kind makes the member optional. */
export type ParameterKind = Kind | `${Kind}?`;

type Order<Name extends keyof Actions> = NonNullable<Parameters<Actions[Name]>[0]>;

interface Entry<Name extends keyof Actions> {
  readonly does: string;
  readonly parameters: { readonly [Member in keyof Required<Order<Name>>]: ParameterKind };
  readonly example: Order<Name>;
}

/**
 * The orders of the control listener. An action or a member without its line here does not compile.
 */
export const catalogue: { readonly [Name in keyof Actions]: Entry<Name> } = {
  grantRole: {
    does: 'Assigns a role on a vault or on one key; the vault then uses roles. principal: app (default), managed-identity, or an object id.',
    parameters: { vault: 'string', role: 'string', key: 'string?', principal: 'string?' },
    example: { vault: 'northwind', role: 'Key Vault Crypto Service Encryption User', key: 'data' },
  },
  removeRole: {
    does: 'Removes role assignments; without role or key, all that the principal has on the vault.',
    parameters: { vault: 'string', role: 'string?', key: 'string?', principal: 'string?' },
    example: { vault: 'contoso' },
  },
  setAccessPolicy: {
    does: 'Sets the permissions of a principal; the vault then uses access policies instead of roles.',
    parameters: { vault: 'string', keys: 'string[]?', secrets: 'string[]?', principal: 'string?' },
    example: { vault: 'contoso', keys: ['get', 'wrapKey', 'unwrapKey'] },
  },
  removeAccessPolicy: {
    does: 'Removes the access policy of a principal.',
    parameters: { vault: 'string', principal: 'string?' },
    example: { vault: 'contoso' },
  },
  setPropagationDelay: {
    does: 'Delays the effect of later changes of roles and policies; without vault, in all vaults.',
    parameters: { vault: 'string?', delayMs: 'number' },
    example: { vault: 'contoso', delayMs: 30_000 },
  },
  addApp: {
    does: "Adds the vendor's app to a tenant, as an administrator's consent does.",
    parameters: { tenant: 'string' },
    example: { tenant: 'adatum' },
  },
  removeApp: {
    does: "Deletes the vendor's app from a tenant. If it is added again, it has a new object id and no roles.",
    parameters: { tenant: 'string' },
    example: { tenant: 'contoso' },
  },
  disableApp: {
    does: "Disables the vendor's app in a tenant; tokens already issued stay valid.",
    parameters: { tenant: 'string' },
    example: { tenant: 'contoso' },
  },
  enableApp: {
    does: "Enables the vendor's app in a tenant again.",
    parameters: { tenant: 'string' },
    example: { tenant: 'contoso' },
  },
  blockByConditionalAccess: {
    does: "Makes Conditional Access refuse new tokens for the vendor's app in a tenant.",
    parameters: { tenant: 'string' },
    example: { tenant: 'contoso' },
  },
  unblock: {
    does: 'Ends the block by Conditional Access.',
    parameters: { tenant: 'string' },
    example: { tenant: 'contoso' },
  },
  consentGraph: {
    does: "Consents to application permissions of Graph for the vendor's app in a tenant; tokens issued from now on carry them.",
    parameters: { tenant: 'string', permissions: 'string[]' },
    example: { tenant: 'contoso', permissions: ['GroupMember.Read.All'] },
  },
  revokeGraphConsent: {
    does: 'Removes permissions of Graph; without permissions, all of them. Tokens already issued keep theirs.',
    parameters: { tenant: 'string', permissions: 'string[]?' },
    example: { tenant: 'contoso', permissions: ['User.Read.All'] },
  },
  addAppSecret: {
    does: "Adds a client secret to the vendor's app and returns its value; by default valid for one year, and not stored in the home vault.",
    parameters: { expiresInSeconds: 'number?', storeInHomeVault: 'boolean?' },
    example: { storeInHomeVault: true },
  },
  listAppSecrets: {
    does: "Lists the key ids and expiry times of the app's client secrets.",
    parameters: {},
    example: {},
  },
  removeAppSecret: {
    does: 'Removes a client secret; without keyId, all of them. Later sign-ins with it get AADSTS7000215.',
    parameters: { keyId: 'string?' },
    example: {},
  },
  expireAppSecret: {
    does: 'Makes a client secret expire now; without keyId, all of them. Later sign-ins with it get AADSTS7000222.',
    parameters: { keyId: 'string?' },
    example: {},
  },
  addAppCertificate: {
    does: 'Registers a certificate for the app. Without certPem it creates one and stores it in the home vault under storeAs.',
    parameters: { certPem: 'string?', storeAs: 'string?', exportable: 'boolean?', expiresInSeconds: 'number?' },
    example: { storeAs: 'vaultspan-app', exportable: true },
  },
  removeAppCertificate: {
    does: 'Removes a certificate from the app; without thumbprint, all of them.',
    parameters: { thumbprint: 'string?' },
    example: {},
  },
  addFederatedCredential: {
    does: 'Adds a federated credential for an issuer and subject to the app; by default for the managed identity. {authority} is the authority host.',
    parameters: { issuer: 'string?', subject: 'string?', audience: 'string?' },
    example: {},
  },
  removeFederatedCredentials: {
    does: "Removes all of the app's federated credentials.",
    parameters: {},
    example: {},
  },
  setTokenLifetime: {
    does: 'Sets how long new tokens last.',
    parameters: { seconds: 'number' },
    example: { seconds: 300 },
  },
  createKey: {
    does: 'Creates a key, or a new version of it. kty: RSA (2048, 3072, 4096), EC, oct-HSM (128, 192, 256). Without tags it gets the one that names its tenant.',
    parameters: {
      vault: 'string',
      key: 'string',
      kty: 'string?',
      size: 'number?',
      keyOps: 'string[]?',
      tags: 'map of strings?',
      exp: 'number?',
      nbf: 'number?',
    },
    example: { vault: 'contoso', key: 'payroll', size: 3072 },
  },
  rotateKey: {
    does: 'Creates a new version of a key.',
    parameters: { vault: 'string', key: 'string' },
    example: { vault: 'contoso', key: 'data' },
  },
  disableKey: {
    does: 'Disables a version of a key; without version, all of them.',
    parameters: { vault: 'string', key: 'string', version: 'string?' },
    example: { vault: 'contoso', key: 'data' },
  },
  enableKey: {
    does: 'Enables a version of a key; without version, all of them.',
    parameters: { vault: 'string', key: 'string', version: 'string?' },
    example: { vault: 'contoso', key: 'data' },
  },
  setKeyAttributes: {
    does: 'Changes a version of a key; without version, the newest. Times are in epoch seconds; null removes one.',
    parameters: {
      vault: 'string',
      key: 'string',
      version: 'string?',
      exp: 'number|null?',
      nbf: 'number|null?',
      keyOps: 'string[]?',
      tags: 'map of strings?',
    },
    example: { vault: 'contoso', key: 'data', exp: 1_800_000_000, keyOps: ['wrapKey', 'unwrapKey'] },
  },
  deleteKey: {
    does: 'Deletes a key; it can be recovered.',
    parameters: { vault: 'string', key: 'string' },
    example: { vault: 'contoso', key: 'data' },
  },
  recoverKey: {
    does: 'Recovers a deleted key.',
    parameters: { vault: 'string', key: 'string' },
    example: { vault: 'contoso', key: 'data' },
  },
  setSecret: {
    does: 'Stores a new version of a secret.',
    parameters: { vault: 'string', name: 'string', value: 'string', exp: 'number?', contentType: 'string?' },
    example: { vault: 'home', name: 'vaultspan-client-secret', value: 'not-the-right-one' },
  },
  disableSecretVersion: {
    does: 'Disables a version of a secret; without version, the newest.',
    parameters: { vault: 'string', name: 'string', version: 'string?' },
    example: { vault: 'home', name: 'vaultspan-client-secret' },
  },
  setFirewall: {
    does: "Makes a vault's network rules deny or allow access.",
    parameters: { vault: 'string', deny: 'boolean' },
    example: { vault: 'contoso', deny: true },
  },
  deleteVault: {
    does: 'Deletes a vault: connections to it fail.',
    parameters: { vault: 'string' },
    example: { vault: 'contoso' },
  },
  restoreVault: {
    does: 'Recovers a deleted vault.',
    parameters: { vault: 'string' },
    example: { vault: 'contoso' },
  },
  setVaultOptions: {
    does: 'Sets purge protection, the response to a read of a disabled key, the page size, and a limit of operations (0: none).',
    parameters: {
      vault: 'string',
      purgeProtection: 'boolean?',
      disabledKeysReadable: 'boolean?',
      pageSize: 'number?',
      operationsPerSecond: 'number?',
      retryAfterSeconds: 'number|null?',
    },
    example: { vault: 'contoso', operationsPerSecond: 10, retryAfterSeconds: 2 },
  },
  addTenant: {
    does: 'Adds a tenant without the app and without a vault.',
    parameters: { name: 'string', tenantId: 'string?' },
    example: { name: 'tailspin' },
  },
  addVault: {
    does: 'Adds an empty vault to a tenant, on the next port. kind: vault (default) or hsm.',
    parameters: { tenant: 'string', name: 'string', kind: 'string?' },
    example: { tenant: 'contoso', name: 'contoso-hsm', kind: 'hsm' },
  },
  addRule: {
    does: "Adds a data collection rule to a tenant, to which the vendor's app may send, unless it has one; returns the members of siem.logsIngestion.",
    parameters: { tenant: 'string', stream: 'string?' },
    example: { tenant: 'contoso' },
  },
  grantRule: {
    does: "Lets the vendor's app send to a tenant's data collection rules again.",
    parameters: { tenant: 'string' },
    example: { tenant: 'contoso' },
  },
  revokeRule: {
    does: "Removes the role of the vendor's app on a tenant's data collection rules.",
    parameters: { tenant: 'string' },
    example: { tenant: 'contoso' },
  },
  setMonitorPrincipal: {
    does: "Adds or removes Azure Monitor's own service principal in a tenant; without it, tokens for it get AADSTS500011.",
    parameters: { tenant: 'string', present: 'boolean' },
    example: { tenant: 'contoso', present: false },
  },
  injectFault: {
    does: 'Breaks requests. at: entra, graph, ingestion, a vault, or *. kind: status, hang, reset, delay or garbage. operation: token, challenge, getKey, unwrapKey and others, as shown by GET /requests. Without times: until cleared.',
    parameters: {
      at: 'string',
      operation: 'string?',
      kind: 'string',
      status: 'number?',
      code: 'string?',
      headers: 'map of strings?',
      body: 'string?',
      delayMs: 'number?',
      times: 'number?',
    },
    example: { at: 'contoso', operation: 'unwrapKey', kind: 'status', status: 429, times: 3 },
  },
  clearFaults: { does: 'Ends all faults; requests that are delayed are handled at once.', parameters: {}, example: {} },
};

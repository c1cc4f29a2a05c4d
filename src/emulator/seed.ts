import { generateKeyPair, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { APP_SECRET_NAME, type Cloud, HOME, vendorApp } from './cloud.ts';
import { createSigningKey, EXCHANGE_AUDIENCE } from './entra/access-tokens.ts';
import type { CallerState, ServicePrincipal, State, TenantState, VaultKind, VaultState } from './state.ts';
import { generateMaterial, type KeyMaterial } from './vault/key-material.ts';
import { addKeyVersion } from './vault/vault-keys.ts';
import { addSecretVersion } from './vault/vault-secrets.ts';
import { createCa, createLeaf } from './x509/certificates.ts';

const HOME_TENANT_ID = '6f1d2c84-3b5e-4a97-9c10-57e8a4d3b621';
const APP_ID = 'c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02';
const CALLER_AUDIENCE = 'e85a3d17-4c69-4b02-b7f1-a9260c5d8e34';
const MANAGED_IDENTITY_CLIENT_ID = '2d9c6a50-7e13-4864-9fb2-c4185be07d93';
const CALLER_CLIENT_IDS = ['914ef3b2-5d08-4c7a-a6e9-30f7b8125dc4', '5ba80d6e-f127-4390-8e4c-d7291fa3604b'] as const;

/** The operator's console, a single-page app of the vendor. */
export const CONSOLE_CLIENT_ID = 'a7f0c3d2-6b14-4e89-9d35-81c2f4e6b709';

const TOKEN_LIFETIME_SECONDS = 65 * 60;
const SECRET_LIFETIME_MS = 365 * 86_400_000;
// Azure's pages have 25 entries. Ours are smaller: a handful of versions already needs a second
// page.
const PAGE_SIZE = 5;

const ALL_ROLES = [
  'Data.Encrypt',
  'Data.Decrypt',
  'Data.Index',
  'Keys.Wrap',
  'Keys.Unwrap',
  'Keys.Lease',
  'Tenants.Read',
  'Tenants.Manage',
  'Audit.Read',
];

interface CustomerSeed extends Pick<TenantState, 'directory'>, Pick<ServicePrincipal, 'graphPermissions'> {
  /** Short name of the tenant and of its vault. */
  readonly name: string;
  /** A GUID; default: a random one. */
  readonly tenantId?: string;
  readonly kind?: VaultKind;
  /** RSA-2048 keys to make; in an HSM, 256-bit AES keys. */
  readonly keys: readonly string[];
  /** Whether the vendor's app has been added; default true. */
  readonly isAppAdded?: boolean;
  /** The app's role on the whole vault; absent: none. */
  readonly role?: string;
}

/** Adds customers to a fresh cloud, which already has the vendor's own tenant and vault. */
export interface DirectoryBuilder {
  addCustomer(customer: CustomerSeed): void;
}

export type Seed = (directory: DirectoryBuilder) => Promise<void> | void;

/** Returns the next private RSA key. Keys of one emulator must differ. */
export type RsaKeys = () => Promise<KeyObject>;

export async function newRsaKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })).privateKey;
}

export async function seedState(seed: Seed, now: () => number, rsaKeys: RsaKeys): Promise<State> {
  const [ca, signingKey] = await Promise.all([createCa(), createSigningKey(rsaKeys)]);
  const state: State = {
    formatVersion: 1,
    ca,
    leaf: await createLeaf(ca),
    signingKey,
    managedIdentityHeader: randomBytes(24).toString('base64url'),
    homeTenantId: HOME_TENANT_ID,
    appId: APP_ID,
    callerAudience: CALLER_AUDIENCE,
    callers: [
      caller('demo', CALLER_CLIENT_IDS[0], ALL_ROLES),
      caller('reader', CALLER_CLIENT_IDS[1], ['Data.Decrypt']),
    ],
    tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS,
    apps: [],
    tenants: [],
    vaults: [],
  };
  // No site listens yet, so no address exists; the seed needs none.
  const cloud: Cloud = { state, now, changed: () => undefined, authorityHost: () => '', vaultUrl: () => '' };
  seedHome(cloud);
  const work: Promise<void>[] = [];
  await seed({ addCustomer: (customer) => work.push(addCustomer(cloud, customer, rsaKeys)) });
  await Promise.all(work);
  return state;
}

const caller = (name: string, clientId: string, roles: readonly string[]): CallerState => ({
  name,
  clientId,
  clientSecret: newSecretValue(),
  roles,
});

const newSecretValue = (): string => randomBytes(30).toString('base64url');

function seedHome(cloud: Cloud): void {
  const { state } = cloud;
  const identity: ServicePrincipal = { ...newPrincipal(MANAGED_IDENTITY_CLIENT_ID), kind: 'managed-identity' };
  state.tenants.push({
    name: HOME,
    tenantId: HOME_TENANT_ID,
    principals: [
      newPrincipal(APP_ID),
      identity,
      ...state.callers.map(({ clientId, roles }) => ({ ...newPrincipal(clientId), appRoles: roles })),
    ],
  });
  state.apps.push({
    appId: APP_ID,
    name: 'vaultspan',
    homeTenantId: HOME_TENANT_ID,
    isMultiTenant: true,
    secrets: [],
    certificates: [],
    federatedCredentials: [
      {
        name: 'managed-identity',
        issuer: `{authority}/${HOME_TENANT_ID}/v2.0`,
        subject: identity.objectId,
        audience: EXCHANGE_AUDIENCE,
      },
    ],
  });
  for (const { name, clientId, clientSecret } of state.callers) {
    state.apps.push({
      appId: clientId,
      name,
      homeTenantId: HOME_TENANT_ID,
      isMultiTenant: false,
      secrets: [{ keyId: randomUUID(), value: clientSecret, expiresMs: cloud.now() + SECRET_LIFETIME_MS }],
      certificates: [],
      federatedCredentials: [],
    });
  }
  registerConsole(state, []);
  const vault = newVault({ name: HOME, tenantId: HOME_TENANT_ID, kind: 'vault' });
  state.vaults.push(vault);
  assignRole(cloud, vault, identity.objectId, 'Key Vault Secrets Officer');
  addAppSecret(cloud, { storeInHomeVault: true });
}

/** Registers the console, also in a state from before there was one, with its redirect URIs. */
export function registerConsole(state: State, redirectUris: readonly string[]): void {
  const known = state.apps.find(({ appId }) => appId === CONSOLE_CLIENT_ID);
  if (known) {
    known.redirectUris = redirectUris;
    return;
  }
  state.apps.push({
    appId: CONSOLE_CLIENT_ID,
    name: 'console',
    homeTenantId: state.homeTenantId,
    isMultiTenant: false,
    secrets: [],
    certificates: [],
    federatedCredentials: [],
    redirectUris,
  });
}

/** Adds a client secret to the vendor's app, and to the home vault on request. */
export function addAppSecret(
  cloud: Cloud,
  options: { readonly expiresInSeconds?: number | undefined; readonly storeInHomeVault?: boolean | undefined },
): { keyId: string; value: string; expiresMs: number } {
  const { expiresInSeconds, storeInHomeVault } = options;
  const lifetimeMs = expiresInSeconds === undefined ? SECRET_LIFETIME_MS : expiresInSeconds * 1000;
  const secret = { keyId: randomUUID(), value: newSecretValue(), expiresMs: cloud.now() + lifetimeMs };
  vendorApp(cloud.state).secrets.push(secret);
  const [home] = cloud.state.vaults;
  if (storeInHomeVault === true && home !== undefined) {
    addSecretVersion(cloud, home, APP_SECRET_NAME, secret.value, { exp: Math.floor(secret.expiresMs / 1000) });
  }
  cloud.changed();
  return { ...secret };
}

async function addCustomer(cloud: Cloud, customer: CustomerSeed, rsaKeys: RsaKeys): Promise<void> {
  const { state } = cloud;
  const { name, tenantId = randomUUID(), directory, graphPermissions = [] } = customer;
  const principals = customer.isAppAdded === false ? [] : [{ ...newPrincipal(state.appId), graphPermissions }];
  const tenant: TenantState = { name, tenantId, principals, ...(directory && { directory }) };
  const vault = newVault({ name: customer.name, tenantId: tenant.tenantId, kind: customer.kind ?? 'vault' });
  state.tenants.push(tenant);
  state.vaults.push(vault);
  const app = principals.at(0);
  if (customer.role !== undefined && app !== undefined) assignRole(cloud, vault, app.objectId, customer.role);
  const rsaMaterial = async (): Promise<KeyMaterial> => ({
    kty: 'RSA',
    jwk: (await rsaKeys()).export({ format: 'jwk' }),
  });
  const newMaterial = vault.kind === 'hsm' ? () => generateMaterial('hsm', 'oct-HSM') : rsaMaterial;
  const materials = await Promise.all(customer.keys.map(newMaterial));
  customer.keys.forEach((name, index) => {
    const material = materials[index];
    if (material !== undefined) addKeyVersion(cloud, vault, name, material, { tags: tenantTag(cloud, vault) });
  });
}

/**
 * Returns the tag with which an onboarded customer names the tenant of its key. Tenants here have
 * the customers' names.
 */
export function tenantTag({ state }: Cloud, { tenantId }: VaultState): Readonly<Record<string, string>> {
  const tenant = state.tenants.find((candidate) => candidate.tenantId === tenantId);
  return { 'vaultspan-tenant': tenant?.name ?? '' };
}

/** Tags the customers' keys of a state from before tags were required. */
export function tagUntagged(state: State): void {
  for (const vault of state.vaults.slice(1)) {
    const tenant = state.tenants.find(({ tenantId }) => tenantId === vault.tenantId);
    const versions = vault.keys.flatMap((key) => key.versions);
    for (const version of versions) version.tags ??= { 'vaultspan-tenant': tenant?.name ?? '' };
  }
}

export const newPrincipal = (appId: string): ServicePrincipal => ({
  appId,
  objectId: randomUUID(),
  kind: 'application',
  isEnabled: true,
  isBlockedByConditionalAccess: false,
  appRoles: [],
});

export const newVault = (identity: Pick<VaultState, 'name' | 'tenantId' | 'kind'>): VaultState => ({
  ...identity,
  accessModel: 'rbac',
  roleAssignments: [],
  accessPolicies: [],
  propagationDelayMs: 0,
  isDeleted: false,
  isFirewalled: false,
  hasPurgeProtection: true,
  disabledKeysReadable: true,
  pageSize: PAGE_SIZE,
  operationsPerSecond: 0,
  keys: [],
  secrets: [],
});

function assignRole(cloud: Cloud, vault: VaultState, objectId: string, role: string): void {
  vault.roleAssignments.push({ objectId, role, fromMs: cloud.now() });
}

import type { AppState, ServicePrincipal, State, TenantState, VaultState } from './state.ts';

/** The emulated Azure as its sites share it: the state, the clock and the addresses. */
export interface Cloud {
  readonly state: State;
  readonly now: () => number;
  /** Must be called after every change of the state. */
  readonly changed: () => void;
  /** Returns the address without a slash at its end. */
  readonly authorityHost: () => string;
  readonly vaultUrl: (vaultName: string) => string;
}

export const HOME = 'home';
export const APP_SECRET_NAME = 'vaultspan-client-secret';

export const VAULT_RESOURCE = { vault: 'https://vault.azure.net', hsm: 'https://managedhsm.azure.net' } as const;

export const epochSeconds = (cloud: Cloud): number => Math.floor(cloud.now() / 1000);

/** Returns the tenant with a GUID, or with the domain name that every tenant has. */
export function findTenant(state: State, idOrDomain: string): TenantState | undefined {
  const wanted = idOrDomain.toLowerCase();
  return state.tenants.find(({ tenantId, name }) => tenantId === wanted || `${name}.onmicrosoft.com` === wanted);
}

export function getTenantByName(state: State, name: string): TenantState {
  const tenant = state.tenants.find((candidate) => candidate.name === name);
  if (tenant === undefined) throw new UnknownName('tenant', name, state.tenants);
  return tenant;
}

export function getVault(state: State, name: string): VaultState {
  const vault = state.vaults.find((candidate) => candidate.name === name);
  if (vault === undefined) throw new UnknownName('vault', name, state.vaults);
  return vault;
}

export const findApp = (state: State, appId: string): AppState | undefined =>
  state.apps.find((app) => app.appId === appId.toLowerCase());

export function vendorApp(state: State): AppState {
  const app = findApp(state, state.appId);
  if (app === undefined) throw new Error("The state has lost the vendor's app registration");
  return app;
}

export const findPrincipal = (tenant: TenantState, appId: string): ServicePrincipal | undefined =>
  tenant.principals.find((principal) => principal.appId === appId.toLowerCase());

export function homeTenant(state: State): TenantState {
  const tenant = findTenant(state, state.homeTenantId);
  if (tenant === undefined) throw new Error('The state has lost the home tenant');
  return tenant;
}

export function managedIdentity(state: State): ServicePrincipal {
  const principal = homeTenant(state).principals.find(({ kind }) => kind === 'managed-identity');
  if (principal === undefined) throw new Error('The state has lost the managed identity');
  return principal;
}

/** An order for the emulator used an unknown name. */
class UnknownName extends Error {
  override readonly name = 'UnknownName';
  constructor(what: string, wanted: string, known: readonly { readonly name: string }[]) {
    super(`There is no ${what} "${wanted}"; there are: ${known.map(({ name }) => name).join(', ') || 'none'}`);
  }
}

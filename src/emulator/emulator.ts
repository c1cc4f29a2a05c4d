import { APP_SECRET_NAME, type Cloud, epochSeconds, findPrincipal, HOME, homeTenant } from './cloud.ts';
import type { Control } from './control/control.ts';
import { createControl } from './control/control-actions.ts';
import { controlServer } from './control/control-listener.ts';
import { demo } from './demo.ts';
import { appTokenClaims, createTokenSigner, type TokenSigner } from './entra/access-tokens.ts';
import { browserSite, entraSite } from './entra/entra.ts';
import { createFaults } from './faults.ts';
import { INGESTION_PREFIX, type IngestedRow, ingestionSite } from './ingestion/ingestion.ts';
import { answering, type Listener, listen, openSite } from './listener.ts';
import { createLog, type RequestLogEntry } from './request-log.ts';
import {
  CONSOLE_CLIENT_ID,
  newRsaKey,
  type RsaKeys,
  registerConsole,
  type Seed,
  seedState,
  tagUntagged,
} from './seed.ts';
import type { CallerState, State, VaultState } from './state.ts';
import { memoryOnly, openStateFile, readStateFile } from './state-file.ts';
import type { AuditEventRow } from './vault/audit-log.ts';
import { vaultSite } from './vault/vault.ts';
import { createLeaf, needsRenewal } from './x509/certificates.ts';

export interface EmulatorOptions {
  /** A file, mode 0600, in which the state survives a restart; absent: memory only. */
  readonly stateFile?: string;
  /**
   * 0: any free ports. Else control = firstPort - 1, Entra = firstPort, home vault = firstPort + 1,
   * customers' vaults from firstPort + 2. A port in use fails the start.
   */
  readonly firstPort: number;
  /** Adds the customers of a fresh state; default: the demo. */
  readonly seed?: Seed;
  /** Source of the RSA keys of a fresh state, each of 2048 bits; default: new keys. */
  readonly rsaKeys?: RsaKeys;
  /** Milliseconds; default Date.now. TLS certificates use the wall clock all the same. */
  readonly now?: () => number;
}

interface Caller extends CallerState {
  readonly scope: string;
}

interface Customer {
  readonly name: string;
  readonly tenantId: string;
  readonly vaultUrl: string;
  readonly keys: readonly string[];
}

interface CallerTokenOptions {
  /** Default: all roles. */
  readonly roles?: readonly string[];
  /** The object id; default: that of the caller `demo`. */
  readonly subject?: string;
  /** Replaces claims; `undefined` removes one. */
  readonly claims?: Record<string, unknown>;
  /** Default: the token lifetime. */
  readonly expiresInSeconds?: number;
}

export interface Emulator {
  /** PEM of the short-lived CA. */
  readonly caPem: string;
  readonly authorityHost: string;
  readonly homeTenantId: string;
  /** The vendor's multi-tenant app. */
  readonly appId: string;
  readonly homeVaultUrl: string;
  /** Name of the home vault's secret that holds the app's client secret. */
  readonly appSecretName: string;
  /** The endpoint of a managed identity in App Service's form. */
  readonly managedIdentity: { readonly endpoint: string; readonly header: string };
  readonly controlUrl: string;
  /** The client id of the callers' API registration; callers' tokens carry it as `aud`. */
  readonly callerAudience: string;
  readonly callerIssuer: string;
  /** Where browsers reach the sign-in of people, by plain HTTP: the control listener. */
  readonly signInUrl: string;
  /** The client id of the console, a single-page app of the home tenant. */
  readonly consoleClientId: string;
  /** Replaces the addresses to which a sign-in may return. */
  registerConsole(redirectUris: readonly string[]): void;
  readonly callers: readonly Caller[];
  readonly customers: readonly Customer[];
  readonly control: Control;
  /** Returns a caller's token, signed by the home tenant. */
  issueCallerToken(options?: CallerTokenOptions): Promise<string>;
  close(): Promise<void>;
}

export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const now = options.now ?? Date.now;
  const { firstPort, stateFile } = options;
  const file = stateFile === undefined ? memoryOnly : openStateFile(stateFile);
  const state = await loadState(options, now);
  const signer = createTokenSigner(state.signingKey);
  const faults = createFaults();
  const log = createLog<RequestLogEntry>();
  const auditLog = createLog<AuditEventRow>();
  const ingested = createLog<IngestedRow>();
  const vaults = new Map<string, Listener>();
  const listeners: Listener[] = [];
  const opened = (listener: Listener): Listener => {
    listeners.push(listener);
    return listener;
  };
  const port = (offset: number): number => (firstPort === 0 ? 0 : firstPort + offset);
  const listenerDeps = { tls: state.leaf, faults, log, now };

  let entraPort = 0;
  const cloud: Cloud = {
    state,
    now,
    changed: () => file.changed(state),
    authorityHost: () => `https://localhost:${entraPort}`,
    vaultUrl: (name) => `https://localhost:${vaults.get(name)?.port ?? 0}`,
  };

  const openVault = async (vault: VaultState): Promise<void> => {
    const what = vault.name === HOME ? 'the home vault' : `the vault of ${vault.name}`;
    const wanted = port(1 + state.vaults.indexOf(vault));
    vaults.set(
      vault.name,
      opened(await openSite(listenerDeps, vaultSite(cloud, signer, vault, auditLog), wanted, what)),
    );
  };
  const control = createControl({
    cloud,
    faults,
    log,
    auditLog,
    ingested,
    openVault,
    dropConnections: (name) => vaults.get(name)?.dropConnections(),
  });
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()));
    await file.flush();
  };

  const entra = entraSite(cloud, signer);
  const signIns = answering(listenerDeps, browserSite(entra));
  const ingestion = { prefix: INGESTION_PREFIX, site: ingestionSite(cloud, signer, ingested) };
  let controlPort = 0;
  try {
    controlPort = opened(await listen(controlServer(control, signIns), port(-1), 'its control listener')).port;
    entraPort = opened(
      await openSite(listenerDeps, { ...entra, branches: [...(entra.branches ?? []), ingestion] }, port(0), 'Entra ID'),
    ).port;
    for (const vault of state.vaults) await openVault(vault);
    cloud.changed();
    await file.flush();
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()));
    throw error;
  }

  return {
    caPem: state.ca.certPem,
    authorityHost: cloud.authorityHost(),
    homeTenantId: state.homeTenantId,
    appId: state.appId,
    homeVaultUrl: cloud.vaultUrl(HOME),
    appSecretName: APP_SECRET_NAME,
    managedIdentity: { endpoint: `${cloud.authorityHost()}/msi/token`, header: state.managedIdentityHeader },
    controlUrl: `http://127.0.0.1:${controlPort}`,
    callerAudience: state.callerAudience,
    signInUrl: `http://127.0.0.1:${controlPort}`,
    consoleClientId: CONSOLE_CLIENT_ID,
    registerConsole: (redirectUris) => {
      registerConsole(state, redirectUris);
      cloud.changed();
    },
    callerIssuer: `${cloud.authorityHost()}/${state.homeTenantId}/v2.0`,
    callers: state.callers.map((caller) => ({ ...caller, scope: `api://${state.callerAudience}/.default` })),
    get customers() {
      return customersOf(cloud);
    },
    control,
    issueCallerToken: (tokenOptions = {}) => issueCallerToken(cloud, signer, tokenOptions),
    close,
  };
}

async function loadState(options: EmulatorOptions, now: () => number): Promise<State> {
  const saved = options.stateFile === undefined ? undefined : await readStateFile(options.stateFile);
  if (saved === undefined) return seedState(options.seed ?? demo, now, options.rsaKeys ?? newRsaKey);
  tagUntagged(saved);
  registerConsole(saved, []);
  if (needsRenewal(saved.leaf, Date.now())) saved.leaf = await createLeaf(saved.ca);
  return saved;
}

const customersOf = (cloud: Cloud): Customer[] =>
  cloud.state.vaults.slice(1).map(({ name, tenantId, keys }) => ({
    name,
    tenantId,
    vaultUrl: cloud.vaultUrl(name),
    keys: keys.filter(({ deletedMs }) => deletedMs === undefined).map((key) => key.name),
  }));

async function issueCallerToken(cloud: Cloud, signer: TokenSigner, options: CallerTokenOptions): Promise<string> {
  const { state } = cloud;
  const tenant = homeTenant(state);
  const demoCaller = findPrincipal(tenant, state.callers[0]?.clientId ?? '');
  if (demoCaller === undefined) throw new Error('The state has lost the caller demo');
  const principal = {
    ...demoCaller,
    appRoles: options.roles ?? demoCaller.appRoles,
    objectId: options.subject ?? demoCaller.objectId,
  };
  const claims = appTokenClaims(cloud, { tenant, principal, audience: state.callerAudience, credential: '1' });
  return signer.sign({
    ...claims,
    ...(options.expiresInSeconds !== undefined && { exp: epochSeconds(cloud) + options.expiresInSeconds }),
    ...options.claims,
  });
}

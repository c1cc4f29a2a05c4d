import process from 'node:process';
import type { AccessToken } from '@azure/core-auth';
import type { ConfiguredHomeCredential, HomeCredentialKind } from '../../src/azure/home/home-credential.ts';
import { createHomeCredential, type HomeCredentialOptions } from '../../src/azure/home/home-credential-kinds.ts';
import { HomeVault } from '../../src/azure/home/home-vault.ts';
import { platformCredential } from '../../src/azure/home/platform-credential.ts';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { customerNamed, startTrusted, VAULT_SCOPE } from './emulator-clients.ts';
import { TestClock } from './test-clock.ts';

export const CERTIFICATE = 'vaultspan-app';

/** Of 200 at once, with the emulator in one process, on a busy machine. MSAL calls an abort endpoints_resolution_error. */
const LONGEST_SIGN_IN_MS = 110_000;

/** The vendor's side alone: an emulated Azure, and home credentials as compose makes them. */
export interface HomeSite extends AsyncDisposable {
  readonly emulator: Emulator;
  /** The service's clock; the emulator's own is `azureClock`. */
  readonly clock: TestClock;
  readonly azureClock: TestClock;
  readonly tenantId: string;
  readonly rotations: string[];
  /** The reasons for which versions were left out. */
  readonly problems: (string | undefined)[];
  credential(kind: HomeCredentialKind, change?: Partial<HomeCredentialOptions>): ConfiguredHomeCredential;
  signIn(credential: ConfiguredHomeCredential, tenantId?: string): Promise<AccessToken>;
  /** Moves both clocks: versions that are made in one second have no order. */
  pass(seconds: number): void;
  operations(at: string): readonly string[];
}

export async function startHomeSite(): Promise<HomeSite> {
  const [clock, azureClock] = [new TestClock('running'), new TestClock('running')];
  const emulator = await startTrusted({
    now: () => azureClock.wallMs(),
    seed: (directory) => {
      directory.addCustomer({ name: 'contoso', keys: [] });
      directory.addCustomer({ name: 'fabrikam', keys: [] });
    },
  });
  process.env['IDENTITY_ENDPOINT'] = emulator.managedIdentity.endpoint;
  process.env['IDENTITY_HEADER'] = emulator.managedIdentity.header;
  const { authorityHost } = emulator;
  const shared = { vaultUrl: emulator.homeVaultUrl, unsafeAllowEmulator: true, deadlineMs: 10_000, clock };
  const platform = platformCredential({ ...shared, identity: 'managed-identity', authorityHost });
  const vault = new HomeVault({ ...shared, credential: platform });
  const { tenantId } = customerNamed(emulator, 'contoso');
  const rotations: string[] = [];
  const problems: (string | undefined)[] = [];
  return {
    emulator,
    clock,
    azureClock,
    tenantId,
    rotations,
    problems,
    credential: (kind, change) =>
      createHomeCredential({
        ...shared,
        kind,
        appId: emulator.appId,
        authorityHost: emulator.authorityHost,
        secretName: emulator.appSecretName,
        certificateName: CERTIFICATE,
        vault,
        platform,
        exchangeAudience: 'api://AzureADTokenExchange',
        federatedTokenFile: '/nonexistent/token',
        onRotation: (version) => rotations.push(version),
        onUnusable: (_version, { reason }) => problems.push(reason),
        ...change,
      }),
    signIn: (credential, tenant = tenantId) =>
      credential.signIn(tenant, VAULT_SCOPE, AbortSignal.timeout(LONGEST_SIGN_IN_MS)),
    pass: (seconds) => {
      clock.advance(seconds);
      azureClock.advance(seconds);
    },
    operations: (at) =>
      emulator.control
        .requests()
        .filter((entry) => entry.at === at)
        .map(({ operation }) => operation),
    [Symbol.asyncDispose]: () => emulator.close(),
  };
}

/** Returns the failure of a sign-in, as the service would report it. */
export async function codeOf(promise: Promise<unknown>): Promise<object> {
  try {
    await promise;
  } catch (error) {
    return error as object;
  }
  throw new Error('It should have failed');
}

/**
 * Signs in `total` times, and continues until `meanwhile` has ended, `atOnce` at a time;
 * `meanwhile` begins after a third of them.
 */
export async function underLoad(
  signIn: () => Promise<unknown>,
  { total, atOnce, meanwhile }: { total: number; atOnce: number; meanwhile: () => Promise<void> },
): Promise<{ readonly done: number; readonly failures: readonly unknown[] }> {
  const failures: unknown[] = [];
  let [started, done] = [0, 0];
  let change: Promise<void> | undefined;
  let isChanged = false;
  const worker = async (): Promise<void> => {
    while (started < total || !isChanged) {
      started += 1;
      try {
        await signIn();
      } catch (error) {
        failures.push(error);
      }
      done += 1;
      if (done < total / 3) continue;
      change ??= meanwhile().finally(() => {
        isChanged = true;
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await change;
  await signIn();
  return { done, failures };
}

import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { FixOwner } from '../../errors.ts';
import {
  addApp,
  consentToGraph,
  createKey,
  disableWholeKey,
  grantAccessPolicy,
  grantRole,
  isManagedHsm,
  withdrawRole,
} from '../../tenants/azure-commands.ts';
import { graphPermissions, wantsDirectory } from '../../tenants/directory-facts.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import type { RecordObstacles } from '../../tenants/record-obstacles.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import { type DoorbellSection, doorbellSection, revokeScript } from './doorbell-section.ts';
import { onboardingScript } from './onboarding-script.ts';
import { siemStep } from './siem-step.ts';

/** One task of the customer's side. */
interface OnboardingStep {
  readonly title: string;
  readonly owner: FixOwner;
  readonly explanation: string;
  /** Complete commands, to paste in this order. */
  readonly commands: readonly string[];
  /** The doctor's step that passes afterwards. */
  readonly check: string;
}

export interface Onboarding {
  readonly tenantId: string;
  readonly appId: string;
  readonly steps: readonly OnboardingStep[];
  /** The ways in which the customer can revoke everything, the fastest first. */
  readonly takeBack: readonly { readonly title: string; readonly command: string }[];
  /** What makes a revocation effective at once. */
  readonly doorbell: DoorbellSection;
  /** The steps as a shell script that can run twice. */
  readonly script: string;
  /** The fastest way to revoke everything, with the doorbell, as a shell script that can run twice. */
  readonly revokeScript: string;
}

export interface OnboardingDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly appId: string;
  readonly obstacles: Pick<RecordObstacles, 'siem'>;
  /**
   * Returns the address of the tenant's doorbell, for callers who may manage the tenant: whoever
   * has it can ring. Absent without `onboarding.url`.
   */
  readonly doorbellOf?: ((tenantId: string) => Promise<string | undefined>) | undefined;
}

/**
 * Returns the tasks of the customer's administrator, with all names filled in.
 * @throws ServiceError
 */
export async function getOnboarding(
  deps: OnboardingDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<Onboarding> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  const tenant = await deps.tenants.get(tenantId);
  const doorbell = request.principal.roles.has('Tenants.Manage') ? await deps.doorbellOf?.(tenantId) : undefined;
  const onboarding = onboardingOf(tenant, deps, doorbell);
  await recordSuccess(deps, request, { operation: 'tenant-onboarding', tenantId });
  return onboarding;
}

function onboardingOf(
  tenant: Tenant,
  { appId, obstacles }: Pick<OnboardingDeps, 'appId' | 'obstacles'>,
  doorbell: string | undefined,
): Onboarding {
  const keys = Object.entries(tenant.keys);
  const steps = [
    appStep(tenant, appId),
    ...(wantsDirectory(tenant) ? [consentStep(tenant, appId)] : []),
    ...keys.flatMap(([alias, key]) => [keyStep(tenant, alias, key), roleStep(alias, key, appId)]),
    ...(obstacles.siem === undefined ? [siemStep(appId)] : []),
  ];
  return {
    tenantId: tenant.id,
    appId,
    steps,
    takeBack: takeBackOf(tenant, appId),
    doorbell: doorbellSection(tenant, doorbell),
    script: onboardingScript(tenant, appId),
    revokeScript: revokeScript(tenant, doorbell),
  };
}

const appStep = (tenant: Tenant, appId: string): OnboardingStep => ({
  title: "Add the vendor's app to the directory",
  owner: 'customer-admin',
  explanation: 'Creates a service principal for the app. It has no rights yet.',
  commands: [addApp(tenant.entraTenantId, appId).command ?? ''],
  check: 'sign-in',
});

const consentStep = (tenant: Tenant, appId: string): OnboardingStep => ({
  title: 'Consent to the directory facts that the app may read',
  owner: 'customer-admin',
  explanation:
    'Optional. Each command grants one permission of Microsoft Graph; a second run reports that it already exists.',
  commands: graphPermissions(tenant).map((permission) => consentToGraph(appId, permission)),
  check: 'directory facts',
});

const keyStep = (tenant: Tenant, alias: string, key: RegisteredKey): OnboardingStep => ({
  title: `Create the key ${key.name}`,
  owner: 'resource-owner',
  explanation: `Skip it if the key exists. The tag says which tenant the key is for; purge protection keeps a deleted key recoverable.`,
  commands: [createKey(tenant.id, key)],
  check: `vault of ${alias}`,
});

const roleStep = (alias: string, key: RegisteredKey, appId: string): OnboardingStep => ({
  title: `Allow the app to wrap and unwrap with ${key.name}`,
  owner: 'resource-owner',
  explanation: isManagedHsm(key.vaultUrl)
    ? 'The least role, on this one key.'
    : `The least role, on this one key; it can take 10 minutes to spread. A vault with access policies: ${grantAccessPolicy(key, appId).command}`,
  commands: [grantRole(key, appId).command ?? ''],
  check: `unwrap with ${alias}`,
});

function takeBackOf(tenant: Tenant, appId: string): Onboarding['takeBack'] {
  const disable = Object.values(tenant.keys).map((key) => ({
    title: `Disable the key ${key.name} in all its versions: the fastest way`,
    command: disableWholeKey(key),
  }));
  const withdraw = Object.values(tenant.keys).map((key) => ({
    title: `Withdraw the role on ${key.name}: Azure needs up to 10 minutes to spread it`,
    command: withdrawRole(key, appId),
  }));
  return [
    ...disable,
    ...withdraw,
    { title: 'Remove the app from the directory', command: `az ad sp delete --id ${appId}` },
  ];
}

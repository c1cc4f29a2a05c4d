import { timingSafeEqual } from 'node:crypto';
import { SiemFailure } from '../../audit/siem/siem-failure.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { isCompact } from '../../format/compact.ts';
import { kidOf } from '../../format/kek-ref.ts';
import { algorithmOf, assertMayProtect } from '../../keyring/kek-facts.ts';
import type { KekFacts } from '../../keyring/key-wrapper.ts';
import { readablePolicyOf } from '../../keyring/policy/key-policies.ts';
import type { Clock } from '../../lib/clock.ts';
import { stringOf } from '../../lib/json-safe.ts';
import { systemRandom } from '../../lib/random.ts';
import { TENANT_TAG } from '../../tenants/azure-commands.ts';
import type { Check, Claims } from '../../tenants/checks.ts';
import { wantsDirectory } from '../../tenants/directory-facts.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted } from '../granted-tenant.ts';
import { type OpenDeps, openMessage } from '../open-message.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import { sealMessage } from '../seal-message.ts';
import { checkOf, type FollowCheck, StepRunner, type TenantCheck } from './tenant-check.ts';
import type { TenantProbe } from './tenant-probe.ts';

const EXPIRES_SOON_MS = 30 * 86_400_000;
const PROBE_BYTES = 32;

export interface CheckTenantDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  /** Returns a new probe for each check, without data from an earlier one. */
  readonly openProbe: () => TenantProbe;
  readonly clock: Clock;
  /** Absent in a command, which has no keys in memory: compact messages are not tried then. */
  readonly dataKeys: OpenDeps['dataKeys'] | undefined;
  /** Returns the result of the last visit of the rounds. */
  readonly lastCheck: (tenantId: string) => Promise<Check | undefined>;
  readonly claims: Pick<Claims, 'lastCheck' | 'hasten'>;
  /** Makes the first keys of the tenant's indexes, in the background. */
  readonly makeIndexKeys: (tenant: Tenant) => void;
}

/**
 * Runs the doctor, step by step, for a caller. It checks suspended tenants too. A check that is
 * stopped has the steps until then, and changes nothing else.
 * @throws ServiceError
 */
export async function checkTenant(
  deps: CheckTenantDeps,
  request: AuthenticatedRequest,
  tenantId: string,
  follow: FollowCheck = {},
): Promise<TenantCheck> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  const tenant = await deps.tenants.get(tenantId);
  const check = await examine(deps, tenant, follow);
  if (!follow.signal?.aborted) {
    if (check.state === 'passed') deps.makeIndexKeys(tenant);
    await hastenVisit(deps, tenant, check);
  }
  await recordSuccess(deps, request, { operation: 'tenant-check', tenantId });
  return check;
}

/** Lists show the last visit of the rounds: a check with another result makes the next one due. */
async function hastenVisit(
  { claims, clock }: Pick<CheckTenantDeps, 'claims' | 'clock'>,
  { id }: Tenant,
  check: TenantCheck,
): Promise<void> {
  const last = await claims.lastCheck(id);
  if (last && last.state !== checkOf(check).state) await claims.hasten(id, clock.wallMs());
}

/** Runs every step in order; the steps that depend on a failed one are skipped, and so are all after a stop. */
export async function examine(
  deps: Pick<CheckTenantDeps, 'openProbe' | 'clock' | 'dataKeys' | 'lastCheck'>,
  tenant: Tenant,
  follow: FollowCheck = {},
): Promise<TenantCheck> {
  const probe = deps.openProbe();
  const runner = new StepRunner(() => deps.clock.monotonicMs(), describeAfter(await deps.lastCheck(tenant.id)), follow);
  await runner.step('configuration', [], async () => ({
    value: true,
    detail: `${Object.keys(tenant.keys).length} keys`,
  }));
  await runner.step('discovery', [], async () => ({
    value: await probe.discover(tenant),
    detail: 'the directory exists',
  }));
  await runner.step('sign-in', ['discovery'], async () => ({ value: await probe.signIn(tenant) }));
  for (const [alias, key] of Object.entries(tenant.keys)) await examineKey(deps, runner, probe, tenant, alias, key);
  if (tenant.canarySecret !== undefined) await examineSecret(runner, probe, tenant, tenant.canarySecret);
  if (tenant.siem) await runner.step('siem', ['sign-in'], () => examineSiem(probe, tenant));
  if (wantsDirectory(tenant)) await runner.step('directory facts', ['sign-in'], () => examineDirectory(probe, tenant));
  const { steps } = runner;
  const state = steps.every((step) => step.state === 'passed') ? 'passed' : 'failed';
  return { tenantId: tenant.id, state, at: new Date(deps.clock.wallMs()).toISOString(), steps };
}

async function examineKey(
  { clock, dataKeys }: Pick<CheckTenantDeps, 'clock' | 'dataKeys'>,
  runner: StepRunner,
  probe: TenantProbe,
  tenant: Tenant,
  alias: string,
  key: RegisteredKey,
): Promise<void> {
  const vault = `vault of ${alias}`;
  const read = `key ${alias}`;
  await runner.step(vault, [], async () => ({
    value: assertSameDirectory(tenant, await probe.directoryOf(tenant, key.vaultUrl)),
  }));
  const facts = await runner.step(read, [vault, 'sign-in'], async () => {
    const value = await probe.probeKey(tenant, key);
    assertMayProtect(value, tenant.id, clock.wallMs());
    return { value, detail: describeKey(value), warnings: warningsOf(value, tenant, clock.wallMs()) };
  });
  const sample = systemRandom(PROBE_BYTES);
  const wrapped = await runner.step(`wrap with ${alias}`, [read], async () => {
    if (!facts) throw new Error('a key that was not read is not wrapped with');
    const { bytes } = await probe.wrapKey(tenant, facts.kek, algorithmOf(facts, key.algorithm), sample, 'upkeep');
    return { value: bytes };
  });
  await runner.step(`unwrap with ${alias}`, [`wrap with ${alias}`], async () => {
    if (!facts || !wrapped) throw new Error('what was not wrapped is not unwrapped');
    const { bytes } = await probe.unwrapKey(tenant, facts.kek, algorithmOf(facts, key.algorithm), wrapped, 'upkeep');
    const isSame = bytes.length === sample.length && timingSafeEqual(bytes, sample);
    if (!isSame) throw new ServiceError('vault-unavailable', 'The vault returned other bytes than it wrapped');
    return { value: true };
  });
  if (key.form !== 'compact' || !dataKeys || tenant.state !== 'active') return;
  await runner.step(`compact with ${alias}`, [`unwrap with ${alias}`], () => tryCompact(dataKeys, tenant, key));
}

/** Encrypts and decrypts a sample as the data path does; its use is not counted. */
async function tryCompact(dataKeys: OpenDeps['dataKeys'], tenant: Tenant, key: RegisteredKey) {
  const deps = { dataKeys, countKeyUse: () => undefined };
  const sample = systemRandom(PROBE_BYTES);
  const sealed = await sealMessage(deps, tenant, key, sample, { operation: 'check' });
  const ciphertext = stringOf(sealed.ciphertext);
  const { plaintext } = await openMessage(deps, tenant, ciphertext, { operation: 'check' });
  if (!sample.equals(plaintext)) throw new ServiceError('undecryptable', 'The sample decrypts to other bytes');
  if (isCompact(ciphertext)) return { value: true, detail: sealed.keyId };
  return { value: true, warnings: ['no branch key may encrypt now: messages are self-contained'] };
}

/**
 * Returns the key version and the customer's policy on the key.
 * @throws ServiceError `tenant-misconfigured`, reason `policy-unreadable`
 */
function describeKey({ kek, tags = {} }: KekFacts): string {
  const policy = readablePolicyOf(tags, kek);
  if (policy === undefined) return kidOf(kek);
  const rules = Object.entries(policy.tags).map(([name, value]) => `${name}=${value}`);
  return `${kidOf(kek)}; policy ${policy.hash}: ${rules.join('; ')}`;
}

/** Checks that a secret can be read; its value is never examined. */
async function examineSecret(runner: StepRunner, probe: TenantProbe, tenant: Tenant, name: string): Promise<void> {
  const vaultUrl = tenant.keys[tenant.defaultKey]?.vaultUrl ?? '';
  await runner.step(`secret ${name}`, ['sign-in'], async () => ({
    value: await probe.readSecret(tenant, vaultUrl, name),
  }));
}

/**
 * Tries a delivery. A refusal fails the step, since only the customer can end it; an outage is a
 * warning, because records wait for its end.
 */
async function examineSiem(probe: TenantProbe, tenant: Tenant) {
  try {
    await probe.tryIngestion(tenant);
    return { value: true, detail: tenant.siem?.logsIngestion.ruleId ?? '' };
  } catch (error) {
    if (!(error instanceof SiemFailure)) throw error;
    const { reason, message, fix } = error;
    if (fix === undefined) return { value: true, warnings: [message] };
    throw new ServiceError('tenant-misconfigured', message, {
      reason,
      fix: { owner: 'resource-owner', ...fix },
      cause: error,
    });
  }
}

/**
 * Reads the directory's facts. They are optional: missing consent and a Graph outage cause a
 * warning and do not prevent encryption.
 */
async function examineDirectory(probe: TenantProbe, tenant: Tenant) {
  const facts = await probe.readDirectory(tenant);
  const warnings = Object.entries(facts).flatMap(([name, fact]) => {
    if (fact.state === 'read') return [];
    const missing =
      'permission' in fact
        ? `: the customer has not consented to ${fact.permission} (its link is in the onboarding)`
        : '';
    return [`${name} ${fact.state}${missing}`];
  });
  return { value: true, detail: Object.keys(facts).join(', '), warnings };
}

function assertSameDirectory(tenant: Tenant, directory: string): true {
  if (directory === tenant.entraTenantId) return true;
  throw new ServiceError(
    'tenant-misconfigured',
    `The vault belongs to directory ${directory}, but the record names ${tenant.entraTenantId}`,
    {
      reason: 'vault-elsewhere',
      fix: { owner: 'vendor', action: "Correct entraTenantId or vaultUrl in the tenant's record" },
    },
  );
}

function warningsOf(key: KekFacts, tenant: Tenant, now: number): string[] {
  const warnings: string[] = [];
  if (key.recoveryLevel?.includes('Purgeable') === true) {
    warnings.push('the vault has no purge protection: if the key is purged, the data is lost');
  }
  if (key.expires !== undefined && key.expires - now < EXPIRES_SOON_MS) {
    warnings.push(`the key expires on ${new Date(key.expires).toISOString()}`);
  }
  const tag = key.tags?.[TENANT_TAG];
  if (tag === undefined) warnings.push(`the key has no tag ${TENANT_TAG}`);
  else if (tag !== tenant.id) warnings.push(`the key's tag ${TENANT_TAG} names another tenant`);
  return warnings;
}

/**
 * Returns a description of failures. A missing role was withdrawn, never granted, or granted a
 * moment ago: only time distinguishes these in Azure.
 */
function describeAfter(lastCheck: Check | undefined): (error: unknown) => ServiceError {
  return (error) => {
    const failure = describe(error);
    if (failure.reason !== 'role-missing' || failure.fix === undefined) return failure;
    const { code, reason, fix } = failure;
    const detail =
      lastCheck?.state === 'passed'
        ? `The app had the role at ${lastCheck.checkedAt}: it has been withdrawn since`
        : 'The app has no role on the key. A role granted in the last 10 minutes may still be spreading: check again, or wait with --wait 10m';
    return new ServiceError(code, detail, { reason, fix, cause: error });
  };
}

/** Returns the failure. One without a code is our own fault, not a finding. */
function describe(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  throw error;
}

import { keyLine } from '../../keyring/key-line.ts';
import type { KeyringStore, StoredKey } from '../../keyring/keyring-store.ts';
import type { DrawRandom } from '../../lib/random.ts';
import { type BellStore, bellDigest } from '../../tenants/bells.ts';
import type { LinkStore, OnboardingLink } from '../../tenants/onboarding-links.ts';
import type { Tenant } from '../../tenants/record.ts';
import { getOnboarding, type Onboarding, type OnboardingDeps } from '../doctor/onboarding.ts';
import { recordSuccess } from '../record-success.ts';
import { requestOfLink } from './open-link.ts';
import type { Vendor } from './vendor.ts';

export interface CustomerPageDeps extends OnboardingDeps {
  readonly vendor: Vendor;
  readonly links: Pick<LinkStore, 'use'>;
}

/** Everything that the customer's page shows of a tenant. */
export interface CustomerPage {
  readonly tenant: Tenant;
  readonly onboarding: Onboarding;
  readonly vendor: Vendor;
}

/**
 * Returns the content of a link's page, and notes the use.
 * @throws ServiceError `tenant-not-found`, `registry-unavailable`, `audit-unavailable`
 */
export async function readCustomerPage(
  deps: CustomerPageDeps,
  link: OnboardingLink,
  { requestId, now }: { readonly requestId: string; readonly now: number },
): Promise<CustomerPage> {
  const { id, tenantId } = link;
  const onboarding = await getOnboarding(deps, requestOfLink(link, 'Tenants.Read', requestId), tenantId);
  await deps.links.use(id, now);
  return { tenant: await deps.tenants.get(tenantId), onboarding, vendor: deps.vendor };
}

export interface RingOfLinkDeps extends Pick<OnboardingDeps, 'audit' | 'contextDigest'> {
  readonly bells: Pick<BellStore, 'find' | 'put' | 'ring'>;
  readonly draw: DrawRandom;
}

const BELL_BYTES = 32;

/**
 * Rings the tenant's doorbell for the holder of a link. A tenant whose bell was never shown gets
 * one that nobody knows, until `vaultspan bell renew` replaces it.
 * @throws ServiceError `registry-unavailable`, `audit-unavailable`
 */
export async function ringOfLink(
  deps: RingOfLinkDeps,
  link: Pick<OnboardingLink, 'id' | 'tenantId'>,
  requestId: string,
): Promise<void> {
  const { tenantId } = link;
  const digest = (await deps.bells.find(tenantId))?.digest ?? (await unknownBell(deps, tenantId));
  await recordSuccess(deps, requestOfLink(link, 'Tenants.Read', requestId), { operation: 'doorbell', tenantId });
  await deps.bells.ring(digest);
}

async function unknownBell({ bells, draw }: RingOfLinkDeps, tenantId: string): Promise<string> {
  const digest = bellDigest(draw(BELL_BYTES).toString('base64url')) ?? '';
  await bells.put(tenantId, 0, digest);
  return digest;
}

const KEYS_IN_A_PAGE = 500;

/**
 * Returns the wrapped branch and index keys of the tenant as lines, a page at a time, as `vaultspan
 * branch-keys export` does.
 * @throws ServiceError `registry-unavailable`, `audit-unavailable`
 */
export async function* exportOfLink(
  deps: Pick<OnboardingDeps, 'audit' | 'contextDigest'> & { readonly branchKeys: Pick<KeyringStore, 'page'> },
  link: OnboardingLink,
  requestId: string,
): AsyncGenerator<string> {
  const { tenantId } = link;
  await recordSuccess(deps, requestOfLink(link, 'Tenants.Read', requestId), {
    operation: 'branch-keys-export',
    tenantId,
  });
  let keys: readonly StoredKey[];
  let after: StoredKey | undefined;
  do {
    keys = (await deps.branchKeys.page(KEYS_IN_A_PAGE, after, tenantId)).keys;
    after = keys.at(-1);
    if (keys.length > 0) yield keys.map((key) => `${keyLine(key)}\n`).join('');
  } while (keys.length === KEYS_IN_A_PAGE);
}

import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { Tenant } from '../../tenants/record.ts';
import { getOnboarding, type OnboardingDeps } from '../doctor/onboarding.ts';
import { bicepFile } from './bicep-file.ts';
import { portalText } from './portal-steps.ts';
import { terraformFile } from './terraform-file.ts';
import type { Vendor } from './vendor.ts';

/** The ways to do the customer's tasks. */
export const ONBOARDING_FORMATS = ['portal', 'az', 'bicep', 'terraform', 'json'] as const;
export type OnboardingFormat = (typeof ONBOARDING_FORMATS)[number];

const ENDINGS: Readonly<Record<OnboardingFormat, string>> = {
  portal: 'txt',
  az: 'sh',
  bicep: 'bicep',
  terraform: 'tf',
  json: 'json',
};

/** Returns the name of a tenant's file. */
export const fileName = (tenantId: string, format: OnboardingFormat): string =>
  `vaultspan-${tenantId}.${ENDINGS[format]}`;

export interface OnboardingFileDeps extends OnboardingDeps {
  readonly vendor: Vendor;
}

/**
 * Returns the customer's tasks as a file of this format, with the tenant's real ids.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `registry-unavailable`,
 * `audit-unavailable`
 */
export async function getOnboardingFile(
  deps: OnboardingFileDeps,
  request: AuthenticatedRequest,
  { tenantId, format }: { readonly tenantId: string; readonly format: OnboardingFormat },
): Promise<string> {
  const onboarding = await getOnboarding(deps, request, tenantId);
  if (format === 'az') return onboarding.script;
  if (format === 'json') return `${JSON.stringify({ ...onboarding, vendor: deps.vendor }, undefined, 2)}\n`;
  return TEXTS[format](await deps.tenants.get(tenantId), onboarding.appId, deps.vendor);
}

const TEXTS: Readonly<
  Record<'portal' | 'bicep' | 'terraform', (tenant: Tenant, appId: string, vendor: Vendor) => string>
> = {
  portal: portalText,
  bicep: bicepFile,
  terraform: terraformFile,
};

import type { TenantCheck } from '../../operations/doctor/tenant-check.ts';
import type { ShownDrill } from '../../operations/drills/drills.ts';
import type { CustomerPage } from '../../operations/onboarding/customer-page.ts';
import type { LinkGrant } from '../../tenants/onboarding-links.ts';

/** The content of a link's page. */
export interface OnboardingPageInput extends CustomerPage {
  /** The path of the link's page; everything of the page is below it. */
  readonly path: string;
  readonly allow: readonly LinkGrant[];
  readonly expiresAt: number;
  readonly consentUrl: string;
  readonly boundSeconds: number;
  readonly check?: TenantCheck;
  readonly drill?: ShownDrill;
  readonly hasRung?: boolean;
}

import {
  issueOnboardingLink,
  type LinkDeps,
  listOnboardingLinks,
  revokeOnboardingLink,
} from '../../operations/onboarding/links.ts';
import type { Handlers } from './mount.ts';

type OnboardingHandlers = Pick<Handlers, 'issueOnboardingLink' | 'listOnboardingLinks' | 'revokeOnboardingLink'>;

export const onboardingRoutes = (deps: LinkDeps): OnboardingHandlers => ({
  issueOnboardingLink: ({ params, body }, call) => issueOnboardingLink(deps, call, { ...params, ...body }),
  listOnboardingLinks: ({ params }, call) => listOnboardingLinks(deps, call, params.tenantId),
  revokeOnboardingLink: async ({ params }, call) => {
    await revokeOnboardingLink(deps, call, params);
    return undefined;
  },
});

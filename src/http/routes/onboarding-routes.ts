import {
  issueOnboardingLink,
  type LinkDeps,
  listOnboardingLinks,
  revokeOnboardingLink,
} from '../../operations/onboarding/links.ts';
import { getOnboardingFile, type OnboardingFileDeps } from '../../operations/onboarding/onboarding-file.ts';
import type { Handlers } from './mount.ts';

type OnboardingHandlers = Pick<
  Handlers,
  'issueOnboardingLink' | 'listOnboardingLinks' | 'revokeOnboardingLink' | 'getOnboardingFile'
>;

export const onboardingRoutes = (deps: LinkDeps & OnboardingFileDeps): OnboardingHandlers => ({
  issueOnboardingLink: ({ params, body }, call) => issueOnboardingLink(deps, call, { ...params, ...body }),
  getOnboardingFile: ({ params }, call) => getOnboardingFile(deps, call, params),
  listOnboardingLinks: ({ params }, call) => listOnboardingLinks(deps, call, params.tenantId),
  revokeOnboardingLink: async ({ params }, call) => {
    await revokeOnboardingLink(deps, call, params);
    return undefined;
  },
});

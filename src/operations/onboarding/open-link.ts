import type { KeyObject } from 'node:crypto';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { Role } from '../../callers/principal.ts';
import { isLinkText, linkIdIn, linkStateAt, type OnboardingLink } from '../../tenants/onboarding-links.ts';
import type { LinkDeps } from './links.ts';

/**
 * Returns the link of a text that is valid now; undefined for every other text, whatever is wrong
 * with it.
 * @throws ServiceError `registry-unavailable`
 */
export async function openLink(
  { links, onboarding, clock }: Pick<LinkDeps, 'links' | 'onboarding' | 'clock'>,
  text: string,
): Promise<OnboardingLink | undefined> {
  const id = linkIdIn(text);
  const link = id === undefined ? undefined : await links.find(id);
  if (!link || !onboarding || linkStateAt(link, clock.wallMs()) !== 'active') return undefined;
  if (isLinkText(text, onboarding.keys.current(), link)) return link;
  // Another process may already use a version of the key that this one has not read.
  const keys = await onboarding.keys.reread().catch((): readonly KeyObject[] => []);
  return isLinkText(text, keys, link) ? link : undefined;
}

/** Returns a request of a link's holder, with the one role that the operation needs. */
export const requestOfLink = (
  { id, tenantId }: Pick<OnboardingLink, 'id' | 'tenantId'>,
  role: Role,
  requestId: string,
): AuthenticatedRequest => ({
  principal: { id: `link:${id}`, roles: new Set([role]), tenantIds: new Set([tenantId]) },
  requestId,
});

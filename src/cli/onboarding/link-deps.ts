import { HomeKeys, LINK_KEY_SECRET } from '../../azure/home/home-keys.ts';
import { systemClock } from '../../lib/clock.ts';
import { systemRandom } from '../../lib/random.ts';
import type { LinkDeps, LinkMaker } from '../../operations/onboarding/links.ts';
import type { Tools } from '../support/open-tools.ts';

/** Returns the dependencies of operations on links. Without a maker no link can be issued. */
export const linkDeps = (tools: Tools, onboarding: LinkMaker | undefined): LinkDeps => ({
  ...tools,
  onboarding,
  clock: systemClock,
  draw: systemRandom,
});

/**
 * Returns the maker of links with the home vault's key; undefined without onboarding pages.
 * @throws ServiceError
 */
export async function openLinkMaker({ config, home }: Pick<Tools, 'config' | 'home'>): Promise<LinkMaker | undefined> {
  const { url } = config.onboarding;
  if (url === undefined) return undefined;
  const keys = new HomeKeys({
    name: LINK_KEY_SECRET,
    vault: home.vault,
    clock: systemClock,
    onTrouble: () => undefined,
    onRecovery: () => undefined,
  });
  await keys.load();
  return { url, keys };
}

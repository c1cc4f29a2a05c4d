import { type LineKey, lineKeyOf } from '../audit/chain/line-key.ts';
import { accessDigestOf, contextDigestOf } from '../audit/tenant-digests.ts';
import {
  AUDIT_KEY_SECRET,
  BELL_KEY_SECRET,
  HomeKeys,
  LINK_KEY_SECRET,
  ORIGIN_KEY_SECRET,
  parseSecretKey,
  WEBHOOK_KEY_SECRET,
} from '../azure/home/home-keys.ts';
import type { Config } from '../config/resolved.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Home } from './home.ts';

/**
 * Reads the deployment's own keys from the home vault; the webhook's only if there is a webhook, that of links
 * only if there are onboarding pages.
 * @throws ServiceError
 */
export async function openHomeKeys(
  { rounds, onboarding }: Pick<Config, 'rounds' | 'onboarding'>,
  { vault }: Home,
  logger: Logger,
  clock: Clock,
) {
  const keysOf = (name: string) =>
    new HomeKeys({
      name,
      vault,
      clock,
      onTrouble: (error) =>
        logger.error({ secret: name, error }, 'the home vault has no usable key; the versions in memory stay in use'),
      onRecovery: () => logger.info({ secret: name }, 'the home vault has usable keys again'),
    });
  const originKeys = keysOf(ORIGIN_KEY_SECRET);
  const auditKeys = keysOf(AUDIT_KEY_SECRET);
  const webhookKeys = rounds.webhookUrl === undefined ? undefined : keysOf(WEBHOOK_KEY_SECRET);
  const linkKeys = onboarding.url === undefined ? undefined : keysOf(LINK_KEY_SECRET);
  // Read at the first use: a deployment that never made it has no bells, and starts all the same.
  const bellKeys = onboarding.url === undefined ? undefined : keysOf(BELL_KEY_SECRET);
  await Promise.all([originKeys.load(), auditKeys.load(), webhookKeys?.load(), linkKeys?.load()]);
  const [auditKey] = auditKeys.current();
  if (!auditKey) throw new Error('no audit key');
  const webhookKey = webhookKeys?.current()[0];
  const watched = Object.entries({
    'origin-key': originKeys,
    'audit-key': auditKeys,
    'webhook-key': webhookKeys,
    'link-key': linkKeys,
  });
  /** Returns the names of the keys that the home vault no longer provides. */
  const degradedKeys = () => watched.flatMap(([name, keys]) => (keys?.trouble() === undefined ? [] : [name]));
  const lineKey = lineKeyOf(auditKey);
  const digests = { contextDigest: contextDigestOf(auditKey), accessDigest: accessDigestOf(auditKey) };
  return { originKeys, webhookKey, linkKeys, bellKeys, lineKey, ...digests, degradedKeys };
}

/**
 * Returns the keys of audit lines, one for each usable version of the audit key in the home vault.
 * @throws ServiceError
 */
export async function readLineKeys({ vault }: Pick<Home, 'vault'>): Promise<readonly LineKey[]> {
  const keys = new HomeKeys({
    name: AUDIT_KEY_SECRET,
    vault,
    clock: systemClock,
    onTrouble: () => undefined,
    onRecovery: () => undefined,
  });
  await keys.load();
  return keys.current().map(lineKeyOf);
}

/**
 * Returns the keys of audit lines from the values of the secret's versions, one on each line;
 * undefined if one is no key.
 */
export function parseLineKeys(text: string): readonly LineKey[] | undefined {
  const values = text.split('\n').map((line) => line.trim());
  const keys = values.filter((value) => value !== '').map(parseSecretKey);
  const lineKeys = keys.filter((key) => key !== undefined).map(lineKeyOf);
  return lineKeys.length > 0 && lineKeys.length === keys.length ? lineKeys : undefined;
}

import { createHmac } from 'node:crypto';
import { AUDIT_KEY_SECRET, HomeKeys, ORIGIN_KEY_SECRET, WEBHOOK_KEY_SECRET } from '../azure/home/home-keys.ts';
import type { Config } from '../config/resolved.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Home } from './home.ts';

/** Reads the deployment's own keys from the home vault; the webhook's only where there is a webhook. @throws ServiceError */
export async function openHomeKeys({ rounds }: Pick<Config, 'rounds'>, { vault }: Home, logger: Logger, clock: Clock) {
  const onFailure = (error: unknown) => logger.warn({ error }, 'the home vault was not reread');
  const keysOf = (secret: string) => new HomeKeys(secret, vault, clock, onFailure);
  const originKeys = keysOf(ORIGIN_KEY_SECRET);
  const auditKeys = keysOf(AUDIT_KEY_SECRET);
  const webhookKeys = rounds.webhookUrl === undefined ? undefined : keysOf(WEBHOOK_KEY_SECRET);
  await Promise.all([originKeys.load(), auditKeys.load(), webhookKeys?.load()]);
  const [auditKey] = auditKeys.current();
  if (!auditKey) throw new Error('no audit key');
  const webhookKey = webhookKeys?.current()[0];
  const contextDigest = (context: Buffer) => createHmac('sha256', auditKey).update(context).digest('base64url');
  return { originKeys, webhookKey, contextDigest };
}

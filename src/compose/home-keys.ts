import { type LineKey, lineKeyOf } from '../audit/chain/line-key.ts';
import { contextDigestOf } from '../audit/context-digest.ts';
import {
  AUDIT_KEY_SECRET,
  HomeKeys,
  ORIGIN_KEY_SECRET,
  parseSecretKey,
  WEBHOOK_KEY_SECRET,
} from '../azure/home/home-keys.ts';
import type { Config } from '../config/resolved.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
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
  return { originKeys, webhookKey, lineKey: lineKeyOf(auditKey), contextDigest: contextDigestOf(auditKey) };
}

/** Returns the keys of audit lines, one for each usable version of the audit key in the home vault. @throws ServiceError */
export async function readLineKeys({ vault }: Pick<Home, 'vault'>): Promise<readonly LineKey[]> {
  const keys = new HomeKeys(AUDIT_KEY_SECRET, vault, systemClock, () => undefined);
  await keys.load();
  return keys.current().map(lineKeyOf);
}

/** Returns the keys of audit lines from the values of the secret's versions, one on each line; undefined where one is no key. */
export function parseLineKeys(text: string): readonly LineKey[] | undefined {
  const values = text.split('\n').map((line) => line.trim());
  const keys = values.filter((value) => value !== '').map(parseSecretKey);
  const lineKeys = keys.filter((key) => key !== undefined).map(lineKeyOf);
  return lineKeys.length > 0 && lineKeys.length === keys.length ? lineKeys : undefined;
}

import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';

/** Reading that a link allows only if its issuer said so: audit records with receipts, branch keys. */
export const LINK_GRANTS = ['records', 'branch-keys'] as const;
export type LinkGrant = (typeof LINK_GRANTS)[number];

/** A link to the page of one tenant's customer. Times are milliseconds since 1970. */
export interface OnboardingLink {
  /** 22 characters of base64url. It identifies the link in lists and in the audit, and opens nothing. */
  readonly id: string;
  readonly tenantId: string;
  readonly allow: readonly LinkGrant[];
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number;
  readonly revokedAt?: number;
  /** The last use, to the minute. */
  readonly usedAt?: number;
}

/**
 * The links of all tenants. Only their ids are stored: a reader of the database can't make a link.
 * Every method rejects with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface LinkStore {
  /**
   * Stores a link. Returns false if the tenant has too many usable ones at that time. The oldest
   * unusable ones are deleted.
   */
  add(link: OnboardingLink): Promise<boolean>;
  find(id: string): Promise<OnboardingLink | undefined>;
  /** Returns the links of a tenant, the newest first. */
  list(tenantId: string): Promise<readonly OnboardingLink[]>;
  /** Returns false if the tenant has no such link. A link that was revoked before stays as it is. */
  revoke(tenantId: string, id: string, at: number): Promise<boolean>;
  /** Notes a use. */
  use(id: string, at: number): Promise<void>;
}

const ID_CHARACTERS = 22;
const LINK = /^[\w-]{65}$/;

/** Returns the secret part of a link's URL: its id, and an HMAC over everything that it allows. */
export const linkText = (key: KeyObject, link: OnboardingLink): string => `${link.id}${macOf(key, link)}`;

/** Returns the id in the text of a link; undefined for text that is no link. */
export const linkIdIn = (text: string): string | undefined =>
  LINK.test(text) ? text.slice(0, ID_CHARACTERS) : undefined;

/** Returns whether one of the keys made this text for the stored link, as it is stored now. */
export const isLinkText = (text: string, keys: readonly KeyObject[], link: OnboardingLink): boolean =>
  keys.some((key) => isSame(text, linkText(key, link)));

const macOf = (key: KeyObject, { id, tenantId, expiresAt, allow }: OnboardingLink): string =>
  createHmac('sha256', key)
    .update(`vaultspan link 1\n${id}\n${tenantId}\n${expiresAt}\n${allow.join(',')}`)
    .digest('base64url');

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

export type LinkState = 'active' | 'expired' | 'revoked';

/** Returns the state of a link at a time. */
export function linkStateAt({ revokedAt, expiresAt }: OnboardingLink, now: number): LinkState {
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt <= now ? 'expired' : 'active';
}

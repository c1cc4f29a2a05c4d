import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { linkStateAt, type OnboardingLink } from '../../tenants/onboarding-links.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import type { LinkDeps, LinkMaker } from './links.ts';
import { requestOfLink } from './open-link.ts';

/** Somebody else may have to approve the request first. */
const STATE_MS = 86_400_000;
const STATE = /^([\w-]{22})\.(\d{13})\.([\w-]{43})$/;

export interface ConsentLinkOptions {
  readonly authorityHost: string;
  readonly appId: string;
  readonly entraTenantId: string;
  readonly linkId: string;
  readonly now: number;
}

/**
 * Returns the address of Entra's page on which an administrator adds the app. The least scope is
 * asked for: with `.default` the administrator would consent to everything that the app declares.
 */
export function consentUrl({ url, keys }: LinkMaker, options: ConsentLinkOptions): string {
  const { authorityHost, appId, entraTenantId, linkId, now } = options;
  const [key] = keys.current();
  const query = new URLSearchParams({
    client_id: appId,
    scope: 'openid',
    redirect_uri: `${url}/onboarding/consent`,
    state: key === undefined ? '' : stateOf(key, linkId, now + STATE_MS),
  });
  return `${authorityHost}/${entraTenantId}/v2.0/adminconsent?${query.toString()}`;
}

/** The state names the link and does not open it: Entra and its logs see it. */
const stateOf = (key: KeyObject, linkId: string, until: number): string =>
  `${linkId}.${until}.${createHmac('sha256', key).update(`vaultspan consent 1\n${linkId}\n${until}`).digest('base64url')}`;

export interface ConsentDeps extends AuditDeps, Pick<LinkDeps, 'links' | 'onboarding'> {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly clock: Clock;
}

/** The query that Entra sends the browser back with. */
export interface ConsentAnswer {
  readonly state: string;
  readonly error: string | undefined;
  readonly description: string | undefined;
  /** The directory in which the administrator decided. */
  readonly directory: string | undefined;
}

/** What became of a request to add the app. */
export type ConsentOutcome =
  | 'added'
  | 'declined'
  | 'not-allowed'
  | 'wrong-directory'
  | 'redirect-address'
  | 'app-unknown'
  | 'refused'
  | 'unknown-state';

/**
 * Returns the outcome. Nothing is believed of it: only a check shows that the app was added. A
 * state that is not ours, or too old, or of a link that does not open any more, is `unknown-state`.
 * @throws ServiceError `registry-unavailable`, `audit-unavailable`
 */
export async function readConsent(
  deps: ConsentDeps,
  answer: ConsentAnswer,
  requestId: string,
): Promise<ConsentOutcome> {
  const link = await linkOfState(deps, answer.state);
  if (!link) return 'unknown-state';
  const { entraTenantId } = await deps.tenants.get(link.tenantId);
  const outcome = outcomeOf(answer, entraTenantId);
  if (outcome === 'added') {
    const request = requestOfLink(link, 'Tenants.Read', requestId);
    await recordSuccess(deps, request, { operation: 'onboarding-consent', tenantId: link.tenantId });
  } else {
    await deps.audit.record({
      operation: 'onboarding-consent',
      outcome: 'refused',
      reason: outcome,
      requestId,
      principal: `link:${link.id}`,
      tenantId: link.tenantId,
    });
  }
  return outcome;
}

async function linkOfState(
  { links, onboarding, clock }: Pick<ConsentDeps, 'links' | 'onboarding' | 'clock'>,
  state: string,
): Promise<OnboardingLink | undefined> {
  const [, id = '', until = ''] = STATE.exec(state) ?? [];
  const now = clock.wallMs();
  const isOurs = onboarding?.keys.current().some((key) => isSame(state, stateOf(key, id, Number(until))));
  if (isOurs !== true || Number(until) <= now) return undefined;
  const link = await links.find(id);
  return link && linkStateAt(link, now) === 'active' ? link : undefined;
}

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

/** AADSTS codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
const OUTCOMES: Readonly<Record<string, ConsentOutcome>> = {
  65004: 'declined',
  90094: 'not-allowed',
  90093: 'not-allowed',
  65001: 'not-allowed',
  50020: 'wrong-directory',
  50034: 'wrong-directory',
  50105: 'wrong-directory',
  90002: 'wrong-directory',
  50011: 'redirect-address',
  500113: 'redirect-address',
  700016: 'app-unknown',
  650051: 'app-unknown',
};

function outcomeOf({ error, description = '', directory }: ConsentAnswer, entraTenantId: string): ConsentOutcome {
  if (error === undefined) {
    if (directory === undefined) return 'refused';
    return directory.toLowerCase() === entraTenantId ? 'added' : 'wrong-directory';
  }
  const [, code = ''] = /AADSTS(\d{5,7})/.exec(description) ?? [];
  const known = OUTCOMES[code];
  if (known !== undefined) return known;
  // Without a code this is what Entra sends when the administrator chooses Cancel.
  return error === 'access_denied' || error === 'permission_denied' ? 'declined' : 'refused';
}

import { type Cloud, findPrincipal } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import type { Reply } from '../reply.ts';
import { newPrincipal } from '../seed.ts';
import type { TenantState } from '../state.ts';
import { consentChoices, refusalPage } from './authorize-page.ts';

/** The page of the service that the emulated app has registered, at whatever port of this machine. */
const REDIRECT = /^http:\/\/127\.0\.0\.1:\d{1,5}\/onboarding\/consent$/;

const REFUSALS: Readonly<Record<string, string>> = {
  cancel: 'AADSTS65004: User declined to consent to access the app.',
  user: 'AADSTS90094: An administrator of the directory must consent to the app.',
};

/**
 * Returns the page on which an administrator adds an app to the directory, or the redirect once
 * somebody has decided.
 */
export function adminConsent(cloud: Cloud, tenant: TenantState, { query, path }: Exchange): Reply {
  const { state } = cloud;
  if (query.get('client_id') !== state.appId) return refusalPage('AADSTS700016: The app is not known here.');
  const redirectUri = query.get('redirect_uri') ?? '';
  if (!REDIRECT.test(redirectUri)) return refusalPage('AADSTS50011: The redirect URI is not registered with the app.');
  const choice = query.get('choice');
  if (choice === null) {
    return consentChoices(tenant.name, (name) => {
      const chosen = new URLSearchParams(query);
      chosen.set('choice', name);
      return `${path}?${chosen.toString()}`;
    });
  }
  const back = new URL(redirectUri);
  back.searchParams.set('state', query.get('state') ?? '');
  back.searchParams.set('tenant', tenant.tenantId);
  const refusal = REFUSALS[choice];
  if (refusal === undefined) {
    if (!findPrincipal(tenant, state.appId)) tenant.principals.push(newPrincipal(state.appId));
    cloud.changed();
    back.searchParams.set('admin_consent', 'True');
  } else {
    back.searchParams.set('error', 'access_denied');
    back.searchParams.set('error_description', refusal);
  }
  return { status: 302, headers: { location: back.href } };
}

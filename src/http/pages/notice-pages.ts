import type { ConsentOutcome } from '../../operations/onboarding/consent.ts';
import { nameOf, type Vendor } from '../../operations/onboarding/vendor.ts';
import { type Html, html } from './html.ts';
import { layout } from './layout.ts';

/** Returns the contact as a link. The configuration allows only e-mail addresses and https URLs. */
export function contactOf({ vendorContact }: Vendor): Html {
  if (vendorContact === undefined) return html`your contact at the vendor`;
  const address = vendorContact.startsWith('https://') ? vendorContact : `mailto:${vendorContact}`;
  return html`<a href="${address}">${vendorContact}</a>`;
}

/** Returns the one page for every link that does not open, whatever the reason. */
export const refusedPage = (vendor: Vendor): string =>
  layout(
    { title: 'This link does not open', vendor },
    html`<h1>This link does not open</h1>
<p>It has expired, was revoked, or was not copied completely. Ask ${contactOf(vendor)} for a new one.</p>`,
  );

/** Returns the page of a failure, with the id under which the vendor finds it. */
export const failurePage = (vendor: Vendor, title: string, detail: string, requestId: string): string =>
  layout(
    { title, vendor },
    html`<h1>${title}</h1>
<p>${detail}</p>
<p>Try again in a moment. If it stays, tell ${contactOf(vendor)} this id: <code>${requestId}</code></p>`,
  );

const CONSENTS: Readonly<Record<ConsentOutcome, readonly [title: string, text: string]>> = {
  added: [
    'The app was added',
    'Microsoft reports that the app is in your directory now. It has no rights on your key yet: continue with step 3.',
  ],
  declined: [
    'Nothing was added',
    'You chose Cancel on the page of Microsoft, so nothing has changed. Open step 2 again when you are ready.',
  ],
  'not-allowed': [
    'Your account may not add apps',
    'Adding an app needs an administrator: Cloud Application Administrator or Application Administrator. Ask one of your directory to do step 2, or request the approval that Microsoft offered you.',
  ],
  'wrong-directory': [
    'That was another directory',
    'You were signed in to another directory than the one on your onboarding page. Sign out at Microsoft, or use a private window, and open step 2 again with an account of the right directory. If the directory on the page is wrong, tell the vendor.',
  ],
  'redirect-address': [
    'The vendor has to fix this',
    'This address is not registered with the app as a redirect URI. Tell the vendor; meanwhile use the command of step 2.',
  ],
  'app-unknown': [
    'The vendor has to fix this',
    "Microsoft does not know the vendor's app, or it is not open to other directories. Tell the vendor.",
  ],
  refused: [
    'Microsoft did not add the app',
    'The page of Microsoft reported a failure that this page does not know. Try again, or use the command of step 2.',
  ],
  'unknown-state': [
    'This page cannot tell what happened',
    'The request to Microsoft was not made by your onboarding page, is older than a day, or its link has ended. Open your link and check in step 4.',
  ],
};

/** Returns the page to which Entra sends the browser back. It shows no text of the query. */
export function consentPage(vendor: Vendor, outcome: ConsentOutcome): string {
  const [title, text] = CONSENTS[outcome];
  return layout(
    { title, vendor },
    html`<h1>${title}</h1>
<p class="notice ${outcome === 'added' ? 'good' : 'bad'}">${text}</p>
<p>You can close this tab and continue in the tab with your onboarding page from ${nameOf(vendor)}. Questions: ${contactOf(vendor)}.</p>`,
  );
}

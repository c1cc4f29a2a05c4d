import { fileName, type OnboardingFormat } from '../../operations/onboarding/onboarding-file.ts';
import { portalSteps } from '../../operations/onboarding/portal-steps.ts';
import { KEY_SIZE_REASON, NEEDED_ROLES, nameOf, PURGE_REASON } from '../../operations/onboarding/vendor.ts';
import { checkResult, checkStep } from './check-steps.ts';
import { drillPart } from './drill-part.ts';
import { type Html, html } from './html.ts';
import { keepingPart } from './keeping-part.ts';
import { layout } from './layout.ts';
import { contactOf } from './notice-pages.ts';
import type { OnboardingPageInput } from './page-input.ts';

/** Returns the page of the customer's administrator. */
export function onboardingPage(page: OnboardingPageInput): string {
  const { tenant, vendor } = page;
  const customer = tenant.displayName ?? tenant.id;
  return layout(
    { title: `Onboarding of ${customer}`, vendor, customer: { name: customer, path: page.path } },
    html`<h1 id="about">Give ${nameOf(vendor)} the use of your key, and take it back when you like</h1>
<p>For the administrators of <strong>${customer}</strong>. ${nameOf(vendor)} encrypts your data under a key that stays in your own Azure Key Vault. On this page you allow that in five steps, check it, and see how to end it.</p>
<p class="notice">This page needs no sign-in: whoever has its address may read it and check. Share it only with the people who do these steps. It ends on ${dateOf(page.expiresAt)}.</p>
${tenant.state === 'suspended' ? html`<p class="notice bad">${nameOf(vendor)} has suspended this tenant: nothing is encrypted or decrypted now.</p>` : undefined}
<nav aria-label="Steps"><ol>
<li><a href="#who">Who you are talking to</a></li>
<li><a href="#app">Add the app to your directory</a></li>
<li><a href="#grant">Grant the role on your key</a></li>
<li><a href="#check">Check</a></li>
<li><a href="#keep">What you can see, and how to take it back</a></li>
</ol></nav>
<p id="live" role="status" aria-live="polite"></p>
${whoPart(page)}
${appPart(page)}
${grantPart(page)}
${checkPart(page)}
${keepingPart(page)}
${page.drill === undefined ? undefined : drillPart(page.path, page.drill)}`,
  );
}

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const whoPart = ({
  vendor,
  tenant,
  onboarding,
}: OnboardingPageInput): Html => html`<h2 id="who">1. Who you are talking to</h2>
<table>
<tbody>
<tr><th scope="row">Vendor</th><td>${nameOf(vendor)}</td></tr>
<tr><th scope="row">Contact</th><td>${contactOf(vendor)}</td></tr>
<tr><th scope="row">Your tenant there</th><td><code>${tenant.id}</code></td></tr>
<tr><th scope="row">Your directory</th><td><code>${tenant.entraTenantId}</code></td></tr>
<tr><th scope="row">App (client) id</th><td><code>${onboarding.appId}</code></td></tr>
${Object.values(tenant.keys).map(({ vaultUrl, name }) => html`<tr><th scope="row">Key</th><td><code>${name}</code> in <code>${vaultUrl}</code></td></tr>`)}
</tbody>
</table>
<p>If the directory, a vault or a key is not yours, stop and tell ${contactOf(vendor)}: only the vendor can correct its record.</p>
<h3>Roles that you need</h3>
<table>
<thead><tr><th>To</th><th>you need</th></tr></thead>
<tbody>${NEEDED_ROLES.map(({ task, role }) => html`<tr><td>${task}</td><td>${role}</td></tr>`)}</tbody>
</table>`;

const appPart = ({
  consentUrl,
  onboarding,
  tenant,
}: OnboardingPageInput): Html => html`<h2 id="app">2. Add the app to your directory</h2>
<p>This makes the vendor's app known in your directory. It has no rights there, on your key or on anything else. Do one of the two.</p>
<p><a class="button" href="${consentUrl}" target="_blank" rel="noreferrer noopener">Add the app at Microsoft</a></p>
<p>Microsoft asks you to accept that the app may sign users in: that is the smallest request there is, and nobody signs in with it. Sign in with an account of the directory <code>${tenant.entraTenantId}</code>. The page opens in a new tab and tells you there what happened.</p>
<p>Or with the Azure CLI:</p>
<pre tabindex="0">az login --tenant ${tenant.entraTenantId} --allow-no-subscriptions
az ad sp create --id ${onboarding.appId}</pre>`;

const WAYS: Readonly<Record<Exclude<OnboardingFormat, 'json'>, string>> = {
  portal: 'Azure portal',
  az: 'Azure CLI',
  bicep: 'Bicep',
  terraform: 'Terraform',
};

const grantPart = ({
  path,
  tenant,
  onboarding,
  vendor,
}: OnboardingPageInput): Html => html`<h2 id="grant">3. Grant the role on your key</h2>
<p>The role <em>Key Vault Crypto Service Encryption User</em> on this one key lets the app read the key's public part, wrap and unwrap. It cannot read secrets, change or delete the key, or see other keys. Choose one way; each file has your real ids in it and can be run again.</p>
<ul>
${Object.entries(WAYS).map(
  ([format, name]) =>
    html`<li><a href="${path}/files/${format}">${name}: <code>${fileName(tenant.id, format as OnboardingFormat)}</code></a></li>`,
)}
</ul>
<details open><summary>Azure portal, step by step</summary>
${portalSteps(tenant, onboarding.appId, vendor).map(
  ({ title, actions }) => html`<h3>${title}</h3><ol>${actions.map((action) => html`<li>${action}</li>`)}</ol>`,
)}
</details>
<details><summary>Azure CLI, the single commands</summary>
${onboarding.steps.map(({ title, explanation, commands }) => html`<h3>${title}</h3><p>${explanation}</p>${commands.map((command) => html`<pre tabindex="0">${command}</pre>`)}`)}
</details>
<h3>Why these settings</h3>
<ul>
<li>Key size: ${KEY_SIZE_REASON}</li>
<li>Purge protection: ${PURGE_REASON}</li>
<li>${
  vendor.egressAddresses.length === 0
    ? html`Firewall: if your vault has one, ask ${contactOf(vendor)} for the addresses that the service calls from.`
    : html`Firewall: if your vault has one, allow ${vendor.egressAddresses.map((address) => html`<code>${address}</code> `)}`
}</li>
<li>Private endpoint: if your vault has no public access, create one for the vendor's network instead, or approve the one that the vendor requests. Agree on it with ${contactOf(vendor)}.</li>
<li>Conditional Access: the app signs in as a workload identity, without a user. Policies for users do not touch it. A policy for workload identities must exclude it, or allow the addresses above.</li>
</ul>`;

const checkPart = ({ path, check, tenant, vendor }: OnboardingPageInput): Html => html`<h2 id="check">4. Check</h2>
<p>The service signs in anew, reads your key and wraps and unwraps a sample. Each check makes about four calls of your vault per key. Check as often as you like; a new role can take 10 minutes to spread.</p>
<form method="post" action="${path}/check" data-live="check"><button>Check now</button></form>
<ol class="steps" id="check-steps">${check?.steps.map((step) => checkStep({ tenant, vendor }, step))}</ol>
<div id="check-result">${check === undefined ? undefined : checkResult(check)}</div>`;

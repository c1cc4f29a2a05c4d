import { nameOf } from '../../operations/onboarding/vendor.ts';
import { type Html, html } from './html.ts';
import { contactOf } from './notice-pages.ts';
import type { OnboardingPageInput } from './page-input.ts';

const POLICY_TAGS: readonly (readonly [tag: string, meaning: string])[] = [
  ['vaultspan-bound=60', 'a data key is used at most 60 s after your vault was last asked'],
  ['vaultspan-operations=decrypt', 'only these operations: encrypt, decrypt, wrap, unwrap'],
  ['vaultspan-require-access=subject,reason', 'refuse calls that do not say for whom and why'],
  ['vaultspan-leases=refused', 'no keys for programs outside the service'],
];

/** Returns the part about seeing and ending the use of the key, and the questions that are asked. */
export const keepingPart = (
  page: OnboardingPageInput,
): Html => html`<h2 id="keep">5. What you can see, and how to take it back</h2>
${takeBackPart(page)}
${rehearsalPart(page)}
${seePart(page)}
${questionsPart(page)}`;

const takeBackPart = ({
  path,
  onboarding,
  boundSeconds,
  hasRung = false,
}: OnboardingPageInput): Html => html`<h3>Take it back</h3>
<p>The service stops using your key within ${boundSeconds} s after Azure refuses it. Ring the doorbell, and it is a second.</p>
${onboarding.takeBack.map(({ title, command }) => html`<p>${title}:</p><pre tabindex="0">${command}</pre>`)}
<form method="post" action="${path}/bell" data-live="bell"><button>Ring the doorbell</button></form>
${hasRung ? html`<p class="notice good">The bell rang. Every process asks your vault before it uses a key again.</p>` : undefined}
<p>The bell can only take away: it makes every process ask your vault before it uses a key again.</p>
<details><summary>Without this page: a script to keep, and the events of your vault</summary>
<p>${onboarding.doorbell.explanation} This script disables every version of your keys and rings:</p>
<pre tabindex="0">${onboarding.revokeScript}</pre>
${onboarding.doorbell.eventGrid.length > 0 ? html`<p>With these commands your vault rings by Event Grid at a new key version, an expired key or a changed access policy. Azure has no event for a disabled key.</p>` : undefined}
${onboarding.doorbell.eventGrid.map((command) => html`<pre tabindex="0">${command}</pre>`)}
</details>`;

const rehearsalPart = ({ path, drill }: OnboardingPageInput): Html => html`<h3>Rehearse it</h3>
<p>In a drill every process decrypts a sample each second, while you take access back in a way of your choice and give it again. The report says when each process obeyed, and is signed if receipts are on. While it runs, each process makes one sign-in and two calls of your vault a second.</p>
${drill === undefined ? html`<form method="post" action="${path}/drill"><button class="second">Start a drill</button></form>` : undefined}`;

const seePart = ({ path, allow }: OnboardingPageInput): Html => html`<h3>See each use</h3>
<ul>
<li>Your vault's own log (diagnostic setting AuditEvent) has every call of the service. The vendor's records name the same call in <code>vaultRequestId</code>, which is <code>CorrelationId</code> there.</li>
${
  allow.includes('records')
    ? html`<li>The vendor's records of you: <a href="${path}/records">newest 1,000 as NDJSON</a>; <a href="${path}/checkpoint">signed checkpoint of the log</a>, if receipts are on. Keep checkpoints: nobody can later show you a log that lacks an entry.${proofForms(path)}</li>`
    : html`<li>The vendor's records of you, and signed receipts of them: ask for them; this link does not have them.</li>`
}
${
  allow.includes('branch-keys')
    ? html`<li><a href="${path}/branch-keys">Export of your wrapped branch keys</a>: with it and your vault you open the short form of your data without the vendor. Fetch it regularly.</li>`
    : undefined
}
</ul>
<h3>Set rules on your key</h3>
<p>Tags on the key narrow what the service may do, whatever the vendor's record says. A tag that cannot be read refuses everything. <code>az keyvault key set-attributes</code> replaces all tags: repeat the ones that are there.</p>
<table><thead><tr><th>Tag</th><th>Meaning</th></tr></thead><tbody>${POLICY_TAGS.map(([tag, meaning]) => html`<tr><td><code>${tag}</code></td><td>${meaning}</td></tr>`)}</tbody></table>`;

/** Returns forms for the proofs under the last checkpoint; they work without scripts. */
const proofForms = (path: string): Html => html`
<form action="${path}/proof"><label>Number of an entry, from 0: <input name="sequence" inputmode="numeric" pattern="[0-9]{1,15}" required></label> <button class="second">Proof that it is in the log</button></form>
<form action="${path}/proof"><label>Entries of an earlier checkpoint: <input name="from" inputmode="numeric" pattern="[0-9]{1,15}" required></label> <button class="second">Proof that the log only grew since</button></form>`;

const questionsPart = ({ boundSeconds, vendor }: OnboardingPageInput): Html => html`<h3>Questions that others asked</h3>
<dl>
<dt><strong>What does it cost us?</strong></dt>
<dd>Key operations at your vault's price. Each process of the service makes about one unwrap for each key in use and ${boundSeconds} s, not one for each record; more after a doorbell, a drill or a check.</dd>
<dt><strong>What happens in an outage of our vault?</strong></dt>
<dd>Data keys in memory serve until the end of the bound. After that, encrypting and decrypting fail with a message that can be retried, and work again when the vault does. An outage never widens access.</dd>
<dt><strong>And in an outage of the vendor?</strong></dt>
<dd>Your vault and your data are not touched by it. With an export of your data and the vendor's open script you can decrypt it yourselves: the formats are public.</dd>
<dt><strong>May we rotate the key?</strong></dt>
<dd>Yes, at any time. The service notices the new version within 15 minutes. Keep old versions enabled as long as data under them is stored; ask the vendor to move it to the new version first.</dd>
<dt><strong>How do we leave?</strong></dt>
<dd>Have your data exported or decrypted while access still works, and fetch the export of branch keys. Then take access back as above, and tell ${contactOf(vendor)}. Delete the key last: without it, whatever ${nameOf(vendor)} still stores can never be read again.</dd>
<dt><strong>Can the vendor read our data?</strong></dt>
<dd>While you allow it, its programs can, since they encrypt and decrypt for you. Every such use is recorded, and it ends when you take access back. Plaintexts that were handed out before cannot be recalled.</dd>
</dl>`;

import type { CheckStep, TenantCheck } from '../../operations/doctor/tenant-check.ts';
import type { CustomerPage } from '../../operations/onboarding/customer-page.ts';
import { nameOf } from '../../operations/onboarding/vendor.ts';
import { type Html, html } from './html.ts';

type Names = Pick<CustomerPage, 'tenant' | 'vendor'>;

const TITLES: readonly (readonly [RegExp, (alias: string) => string])[] = [
  [/^configuration$/, () => "The vendor's record of you is complete"],
  [/^discovery$/, () => 'Your directory exists'],
  [/^sign-in$/, () => "The vendor's app may sign in to your directory"],
  [/^vault of (.+)$/, (key) => `The vault of the key ${key} answers and belongs to your directory`],
  [/^key (.+)$/, (key) => `The key ${key} can be read, is enabled and has your tag`],
  [/^wrap with (.+)$/, (key) => `The app may wrap with the key ${key}`],
  [/^unwrap with (.+)$/, (key) => `The app may unwrap with the key ${key}`],
  [/^compact with (.+)$/, (key) => `Data is encrypted in the short form under the key ${key}`],
  [/^secret (.+)$/, (name) => `The secret ${name} can be read`],
  [/^siem$/, () => 'Your Log Analytics workspace accepts the records'],
  [/^directory facts$/, () => 'The facts of your directory can be read'],
];

/** Explanations for the customer, by the reason of a failure; others keep the service's own text. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  'app-absent':
    'The app is not in your directory yet, or it was added to another directory. Do step 2 while signed in to the directory above.',
  'app-disabled':
    'The app is in your directory and switched off there. That is a way to take access back; switch it on to give it.',
  'consent-missing': 'An administrator has not agreed to the app yet: do step 2 as an administrator.',
  'conditional-access':
    "A Conditional Access policy for workload identities blocks the app. Exclude the app, or allow the vendor's addresses in it.",
  'directory-unknown':
    "The directory in the vendor's record does not exist. Tell the vendor your directory (tenant) id.",
  'vault-elsewhere':
    "The vault in the vendor's record belongs to another directory than yours. Tell the vendor the right vault, or the right directory.",
  'vault-not-found': 'There is no vault with this name. Tell the vendor the right one, or create it.',
  'role-missing':
    'The app has no role on the key. If you granted it in the last 10 minutes, Azure is still spreading it: check again later. Otherwise do step 3.',
  firewall:
    "The vault's firewall does not let the service in. Allow the addresses of step 3, or agree on a private endpoint.",
  'public-access-disabled':
    'The vault has no public access. Agree on a private endpoint with the vendor, or allow its addresses.',
  'key-absent': 'The vault has no key with this name. Do step 3.',
  'key-disabled': 'The key is disabled. That is the fastest way to take access back; enable it to give access.',
  'key-expired': 'The key has expired. Make a new version of it.',
  'key-not-yet-valid': 'The key has an activation date in the future.',
  'key-operation-forbidden': 'The key does not allow to wrap and unwrap.',
  'key-type': 'The key is of a type that cannot wrap. It must be RSA.',
  'tag-missing':
    'The key lacks the tag that names you as its tenant, or names another one. The tag keeps other tenants of the vendor from registering your key.',
  'policy-unreadable':
    'A tag of your policy on the key cannot be read, so everything under the key is refused. Correct it.',
};

const STATES: Readonly<Record<CheckStep['state'], string>> = { passed: 'OK', failed: 'Not yet', skipped: 'Waits' };

/** Returns one step of a check in the customer's words. */
export function checkStep(names: Names, step: CheckStep): Html {
  const { name, state, reason, detail, fix, because, warnings = [] } = step;
  const explanation = state === 'failed' ? (EXPLANATIONS[reason ?? ''] ?? detail) : undefined;
  return html`<li class="${state}"><span class="state">${STATES[state]}</span> ${titleOf(name)}${
    because === undefined ? undefined : html`<div class="quiet">Waits for: ${titleOf(because)}</div>`
  }${explanation === undefined ? undefined : html`<div>${explanation}</div>`}${
    fix === undefined ? undefined : html`<div>${ownerText(names, fix.owner)} ${fix.action}.</div>`
  }${fix?.command === undefined ? undefined : html`<pre tabindex="0">${fix.command}</pre>`}${warnings.map(
    (warning) => html`<div>To improve: ${warning}</div>`,
  )}</li>`;
}

function titleOf(name: string): string {
  for (const [pattern, title] of TITLES) {
    const [whole, part = ''] = pattern.exec(name) ?? [];
    if (whole !== undefined) return title(part);
  }
  return name;
}

function ownerText({ vendor }: Names, owner: string): string {
  if (owner === 'vendor') return `For ${nameOf(vendor)} to fix:`;
  return owner === 'customer-admin'
    ? 'For an administrator of your directory to fix:'
    : 'For the owner of the key vault to fix:';
}

/** Returns the sentence about the whole check. */
export const checkResult = ({ state }: Pick<TenantCheck, 'state'>): Html =>
  state === 'passed'
    ? html`<p class="notice good"><strong>Everything works.</strong> The service can use your key, and nothing else of yours. Read step 5 before you close this page.</p>`
    : html`<p class="notice bad"><strong>Not everything works yet.</strong> Each step above that failed says who can fix it. Check again afterwards.</p>`;

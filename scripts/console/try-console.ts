// Tests the console's sign-in and its defences in a browser: node try-console.ts URL CONTROL, with the path of
// Chromium in CHROMIUM.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const DEADLINE_MS = 30_000;
const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const control = process.argv[3] ?? assert.fail('Name the control URL of the emulated Azure');
const executablePath = process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM');
const consoleUrl = `${url}/console/`;

interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors and violations of the CSP. */
  readonly complaints: string[];
  /** Addresses of all requests. */
  readonly requests: string[];
}

/** Opens a tab without any session, and watches it from its first request. */
async function openTab(browser: Browser): Promise<Watched> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.addInitScript(`document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    console.error('CSP: ' + violatedDirective + ' ' + blockedURI));`);
  return { page, context, complaints, requests };
}

async function choose({ page }: Watched, choice: string): Promise<void> {
  await page.goto(consoleUrl);
  await page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).click();
  await page.locator(`#${choice}`).click();
}

async function signsInAsEachPerson(browser: Browser): Promise<void> {
  for (const [choice, heading] of [
    ['operator', 'Overview'],
    ['auditor', 'Overview'],
    ['nobody', 'You have no access to tenants'],
  ] as const) {
    const tab = await openTab(browser);
    await choose(tab, choice);
    await tab.page.getByRole('heading', { name: heading, exact: true }).waitFor();
    await tab.page.getByRole('button', { name: 'Sign out' }).waitFor();
    assert.deepEqual(tab.complaints, [], choice);
    await tab.context.close();
  }
}

async function saysThatTheSignInWasCancelled(browser: Browser): Promise<void> {
  const tab = await openTab(browser);
  await choose(tab, 'cancel');
  await tab.page.getByText('The sign-in did not succeed').waitFor();
  await tab.page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).waitFor();
  await tab.context.close();
}

/** Nothing but the service and the sign-in is called, and no address of the service has a secret. */
async function callsOnlyItsOwnHosts(browser: Browser): Promise<void> {
  const tab = await openTab(browser);
  const { signInHost } = await settings();
  await choose(tab, 'operator');
  await tab.page.getByRole('link', { name: 'contoso' }).click();
  await tab.page.getByRole('button', { name: 'Suspend…' }).waitFor();
  const hosts = new Set(tab.requests.filter((one) => !one.startsWith('data:')).map((one) => new URL(one).host));
  assert.deepEqual([...hosts].sort(), [new URL(url).host, signInHost].sort());
  const toService = tab.requests.filter((one) => one.startsWith(url));
  assert.deepEqual(toService.filter((one) => /[?&](code|access_token|id_token|state)=/.test(one)), []);
  assert.doesNotMatch(tab.page.url(), /code=|state=/);
  assert.equal(await tab.page.evaluate('localStorage.length'), 0, 'tokens stay in the tab');
  assert.deepEqual(await tab.context.cookies(), [], 'there are no cookies');
  const other = await tab.context.newPage();
  await other.goto(consoleUrl);
  await other.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).waitFor();
  assert.deepEqual(tab.complaints, []);
  await tab.context.close();
}

/** The page's own policy stops code and connections that somebody managed to put into it. */
async function runsNoForeignCode(browser: Browser): Promise<void> {
  const tab = await openTab(browser);
  await tab.page.goto(consoleUrl);
  await tab.page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).waitFor();
  assert.deepEqual(tab.complaints, []);
  const happened = await tab.page.evaluate(`(async () => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    const image = document.createElement('div');
    image.innerHTML = '<img src="x:" onerror="window.ran = true">';
    document.body.append(image);
    const called = await fetch('https://elsewhere.example/').then(() => true, () => false);
    const frame = document.createElement('iframe');
    frame.src = location.href;
    document.body.append(frame);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { ran: window.ran === true, called, isolated: window.opener === null };
  })()`);
  assert.deepEqual(happened, { ran: false, called: false, isolated: true });
  for (const directive of ['script-src', 'connect-src', 'frame-src']) {
    const pattern = new RegExp(`CSP: ${directive}|CSP: default-src|${directive}`);
    assert.ok(tab.complaints.some((one) => pattern.test(one)), `the violation of ${directive} is reported`);
  }
  await tab.context.close();
}

/** Another site can neither frame the console nor read or change anything in a signed-in browser. */
async function givesAnotherSiteNothing(browser: Browser): Promise<void> {
  const attacker = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><title>attacker</title>
<iframe id="frame" src="${consoleUrl}"></iframe>`);
  });
  await new Promise<void>((resolve) => attacker.listen(0, '127.0.0.1', resolve));
  try {
    const tab = await openTab(browser);
    await choose(tab, 'operator');
    await tab.page.getByRole('heading', { name: 'Overview' }).waitFor();
    const page = await tab.context.newPage();
    await page.goto(`http://127.0.0.1:${(attacker.address() as AddressInfo).port}/`);
    await page.waitForTimeout(300);
    const framed = page.frames().find((frame) => frame !== page.mainFrame());
    assert.notEqual(framed && new URL(framed.url()).origin, new URL(url).origin, 'the console is not framed');
    const answers = await page.evaluate(`Promise.all([
      fetch('${url}/tenants', { credentials: 'include' }),
      fetch('${url}/console/settings.json', { credentials: 'include' }),
      fetch('${url}/tenants/contoso/suspend', { method: 'POST', credentials: 'include', mode: 'cors' }),
    ].map((call) => call.then(() => 'read', () => 'blocked')))`);
    assert.deepEqual(answers, ['blocked', 'blocked', 'blocked']);
    await tab.page.getByRole('link', { name: 'contoso' }).click();
    await tab.page.getByRole('button', { name: 'Suspend…' }).waitFor();
    await tab.context.close();
  } finally {
    attacker.closeAllConnections();
    attacker.close();
  }
}

/** Tokens that are about to expire are renewed unseen; once Entra refuses that, the person is asked. */
async function renewsTokensAndAsksAgain(browser: Browser): Promise<void> {
  await order('set-token-lifetime', { seconds: 60 });
  const tab = await openTab(browser);
  try {
    await choose(tab, 'operator');
    await tab.page.getByRole('link', { name: 'contoso' }).click();
    await tab.page.getByRole('button', { name: 'Suspend…' }).waitFor();
    const renewals = tab.requests.filter((one) => one.includes('/oauth2/v2.0/token')).length;
    assert.ok(renewals > 1, `${renewals} calls of the token endpoint`);
    assert.deepEqual(tab.complaints, []);
    await order('inject-fault', { at: 'entra', operation: 'token', kind: 'status', code: 'AADSTS700084' });
    await tab.page.getByRole('link', { name: 'History' }).click();
    await tab.page.getByRole('button', { name: 'Sign in again' }).waitFor();
    await order('clear-faults', {});
    await tab.page.getByRole('button', { name: 'Sign in again' }).click();
    await tab.page.locator('#operator').click();
    await tab.page.getByRole('heading', { name: 'Changes of the record' }).waitFor();
    assert.match(tab.page.url(), /\/console\/tenants\/contoso\/history$/);
  } finally {
    await order('clear-faults', {});
    await order('set-token-lifetime', { seconds: 3_900 });
    await tab.context.close();
  }
}

/** Has the emulated Azure do something. */
async function order(action: string, body: object): Promise<void> {
  const response = await fetch(`${control}/${action}`, { method: 'POST', body: JSON.stringify(body) });
  assert.ok(response.ok, `${action}: ${await response.text()}`);
}

async function signsOut(browser: Browser): Promise<void> {
  const tab = await openTab(browser);
  await choose(tab, 'auditor');
  await tab.page.getByRole('button', { name: 'Sign out' }).click();
  await tab.page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).waitFor();
  assert.equal(new URL(tab.page.url()).pathname, '/console/');
  assert.equal(await tab.page.evaluate(`Object.values(sessionStorage).some((one) => /secret|accessToken/i.test(one))`), false);
  await tab.context.close();
}

async function settings(): Promise<{ readonly signInHost: string }> {
  const response = await fetch(`${consoleUrl}settings.json`);
  const { authorityMetadata } = (await response.json()) as { readonly authorityMetadata: string };
  const { token_endpoint: endpoint } = JSON.parse(authorityMetadata) as { readonly token_endpoint: string };
  return { signInHost: new URL(endpoint).host };
}

/** Returns what the first visit transfers and how long it takes to the first paint. */
async function measure(browser: Browser): Promise<string> {
  const tab = await openTab(browser);
  await tab.page.goto(consoleUrl);
  await tab.page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).waitFor();
  const [bytes, paint] = (await tab.page.evaluate(`(async () => {
    const painted = () => performance.getEntriesByName('first-contentful-paint')[0];
    while (!painted()) await new Promise((resolve) => setTimeout(resolve, 50));
    return [
    performance.getEntriesByType('resource').reduce((sum, { transferSize }) => sum + transferSize, 0),
    painted().startTime,
    ];
  })()`)) as [number, number];
  await tab.context.close();
  return `${Math.round(bytes / 1_000)} kB to the sign-in, first paint after ${Math.round(paint)} ms`;
}

const CHECKS = [
  signsInAsEachPerson,
  saysThatTheSignInWasCancelled,
  callsOnlyItsOwnHosts,
  runsNoForeignCode,
  givesAnotherSiteNothing,
  renewsTokensAndAsksAgain,
  signsOut,
];

// Chromium has no sandbox for root; the pages are our own.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
try {
  for (const check of CHECKS) {
    await check(browser).catch((cause: unknown) => {
      throw new Error(`${check.name} failed`, { cause });
    });
  }
  process.stdout.write(`console: ${CHECKS.length} checks in Chromium ${browser.version()}; ${await measure(browser)}\n`);
} finally {
  await browser.close();
}

// Tests the console's sign-in and its defences in a browser: node try-console.ts URL CONTROL, with the path of
// Chromium in CHROMIUM.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { type Browser, chromium } from 'playwright-core';
import * as expiry from './expiry.ts';
import { choose as chooseAt, openTab, type Watched } from './watched.ts';

const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const control = process.argv[3] ?? assert.fail('Name the control URL of the emulated Azure');
const executablePath = process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM');
const consoleUrl = `${url}/console/`;
const choose = (tab: Watched, choice: string): Promise<void> => chooseAt(tab, consoleUrl, choice);

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

const place = { consoleUrl, control };
const renewsTokens = (browser: Browser): Promise<void> => expiry.renewsTokens(browser, place);
const keepsWhatWasTyped = (browser: Browser): Promise<void> => expiry.keepsWhatWasTyped(browser, place);
const showsNothingToAnotherPerson = (browser: Browser): Promise<void> => expiry.showsNothingToAnotherPerson(browser, place);
const offersThisPageWithoutWindows = (browser: Browser): Promise<void> => expiry.offersThisPageWithoutWindows(browser, place);

const CHECKS = [
  signsInAsEachPerson,
  saysThatTheSignInWasCancelled,
  callsOnlyItsOwnHosts,
  runsNoForeignCode,
  givesAnotherSiteNothing,
  renewsTokens,
  keepsWhatWasTyped,
  showsNothingToAnotherPerson,
  offersThisPageWithoutWindows,
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

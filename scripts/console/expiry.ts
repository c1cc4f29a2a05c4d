// Tokens that expire while somebody works in the console.
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { choose, openTab, type Watched } from './watched.ts';

interface Place {
  readonly consoleUrl: string;
  /** Where the emulated Azure takes orders. */
  readonly control: string;
}

const LIFETIME_SECONDS = 3_900;

/** Tokens that are about to expire are renewed unseen. */
export async function renewsTokens(browser: Browser, place: Place): Promise<void> {
  await withShortTokens(browser, place, async (tab) => {
    await tab.page.getByRole('link', { name: 'contoso' }).click();
    await tab.page.getByRole('button', { name: 'Suspend…' }).waitFor();
    const renewals = tab.requests.filter((one) => one.includes('/oauth2/v2.0/token')).length;
    assert.ok(renewals > 1, `${renewals} calls of the token endpoint`);
    assert.deepEqual(tab.complaints, []);
  });
}

/** Once Entra renews no more, the person signs in again beside the form, which keeps what was typed. */
export async function keepsWhatWasTyped(browser: Browser, place: Place): Promise<void> {
  await withShortTokens(browser, place, async (tab) => {
    const { page } = tab;
    await typeAndExpire(tab, place, 'Fabrikam typed before the expiry');
    assert.deepEqual(await stored(page, 'Fabrikam typed'), [], 'what was typed is in memory alone');
    const closed = await openSignIn(page);
    await closed.page.goto('about:blank'); // a window that comes to nothing, and the next one
    const window = await openSignIn(page);
    const ended = window.page.waitForEvent('close');
    await window.page.locator('#operator').click();
    await ended;
    await page.getByRole('button', { name: 'Sign in again' }).waitFor({ state: 'hidden' });
    assert.equal(await page.getByLabel('Display name').inputValue(), 'Fabrikam typed before the expiry');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { level: 1, name: 'Fabrikam typed before the expiry' }).waitFor();
    assert.deepEqual(tab.complaints.filter((one) => !/status of 400/.test(one)), []);
  });
}

/** Another person at the same screen gets a page of their own: nothing is left of the first one's. */
export async function showsNothingToAnotherPerson(browser: Browser, place: Place): Promise<void> {
  await withShortTokens(browser, place, async (tab) => {
    const { page } = tab;
    await typeAndExpire(tab, place, 'Typed by the operator');
    const window = await openSignIn(page);
    const reloaded = page.waitForEvent('load');
    await window.page.locator('#auditor').click();
    await reloaded;
    await page.getByText('Arthur Auditor').waitFor();
    await page.getByRole('link', { name: 'Record' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Edit the record' }).count(), 0);
    assert.deepEqual(await stored(page, 'Olivia'), [], 'the first sign-in is gone');
  });
}

/** Where no window opens, the page says so, and what a sign-in on this page costs. */
export async function offersThisPageWithoutWindows(browser: Browser, place: Place): Promise<void> {
  await withShortTokens(browser, place, async (tab) => {
    const { page } = tab;
    await typeAndExpire(tab, place, 'Typed without windows');
    await page.evaluate('window.open = () => null');
    await page.getByRole('button', { name: 'Sign in again' }).click();
    await page.getByText('What you typed is lost then').waitFor();
    assert.equal(await page.getByLabel('Display name').inputValue(), 'Typed without windows');
    await page.getByRole('button', { name: 'sign in on this page' }).click();
    await page.locator('#operator').click();
    await page.getByRole('button', { name: 'Edit the record' }).waitFor();
    assert.match(page.url(), /\/console\/tenants\/fabrikam\/record$/);
  });
}

/** Signs the operator in with tokens that MSAL renews before each call. */
async function withShortTokens(browser: Browser, place: Place, work: (tab: Watched) => Promise<void>): Promise<void> {
  await order(place, 'set-token-lifetime', { seconds: 60 });
  const tab = await openTab(browser);
  try {
    await choose(tab, place.consoleUrl, 'operator');
    await tab.page.getByRole('heading', { name: 'Overview' }).waitFor();
    await work(tab);
  } finally {
    await order(place, 'clear-faults', {});
    await order(place, 'set-token-lifetime', { seconds: LIFETIME_SECONDS });
    await tab.context.close();
  }
}

/** Fills in the record's form, has Entra refuse the renewal, and saves. */
async function typeAndExpire({ page }: Watched, place: Place, text: string): Promise<void> {
  await page.goto(`${place.consoleUrl}tenants/fabrikam/record`);
  await page.getByRole('button', { name: 'Edit the record' }).click();
  await page.getByLabel('Display name').fill(text);
  await order(place, 'inject-fault', { at: 'entra', operation: 'token', kind: 'status', code: 'AADSTS700084' });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Your sign-in has expired').waitFor();
  await order(place, 'clear-faults', {});
}

async function openSignIn(page: Page): Promise<{ readonly page: Page }> {
  const opened = page.waitForEvent('popup');
  await page.getByRole('button', { name: 'Sign in again' }).click();
  const window = await opened;
  await window.locator('#operator').waitFor();
  return { page: window };
}

/** Returns the names of what the browser stores for this page that has a text. */
const stored = (page: Page, text: string): Promise<unknown> =>
  page.evaluate(`[sessionStorage, localStorage].flatMap((storage) =>
    Object.entries(storage).filter(([, value]) => value.includes(${JSON.stringify(text)})).map(([name]) => name))`);

/** Has the emulated Azure do something. */
async function order({ control }: Place, action: string, body: object): Promise<void> {
  const response = await fetch(`${control}/${action}`, { method: 'POST', body: JSON.stringify(body) });
  assert.ok(response.ok, `${action}: ${await response.text()}`);
}

// Roles, the keyboard alone, and trouble: a restart under the page, and a sign-in that has expired.
import assert from 'node:assert/strict';
import { assertAccessible, type Tab } from './browser.ts';

const API = /\/(tenants|overview)\b(?!.*console)/;

/** Walks by Tab and Enter alone from the overview into a dialog, out of it, and to another part. */
export async function worksByKeyboardAlone({ page, open }: Tab): Promise<void> {
  await open('');
  await page.getByRole('link', { name: 'fabrikam' }).waitFor();
  await tabTo(page, 'fabrikam');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Suspend…' }).waitFor();
  await tabTo(page, 'Suspend…');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  // The focus stays in the dialog, however often Tab is pressed.
  for (let presses = 0; presses < 6; presses += 1) {
    await page.keyboard.press('Tab');
    const place = await page.evaluate('document.activeElement.closest("dialog") ? "dialog" : document.activeElement.tagName');
    assert.ok(place === 'dialog' || place === 'BODY', String(place));
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  assert.equal(await focused(page), 'Suspend…');
  await tabTo(page, 'Keys');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Versions in use' }).waitFor();
}

/** Asserts that a person who may read alone finds nothing to press that changes something. */
export async function hidesWhatTheRoleDoesNotInclude({ page, open }: Tab): Promise<void> {
  for (const part of ['record', 'keys', 'check', 'onboarding', 'drill', 'history', 'audit', 'usage', 'receipts']) {
    await open(`tenants/contoso/${part}`);
    const names = await page.getByRole('button').allInnerTexts();
    const harmless = /^(Sign out|Copy|Search|Open|Show more|Download .*|Prove the .*)$/;
    assert.deepEqual(names.filter((name) => !harmless.test(name)), [], part);
  }
  assert.equal(await page.getByRole('link', { name: 'Try it' }).count(), 0);
  await open('tenants/contoso/try');
  await page.getByText('your role does not include it').waitFor();
  await open('register');
  await page.getByText('Registering needs the role Tenants.Manage').waitFor();
  assert.deepEqual(await page.getByRole('button').allInnerTexts(), ['Sign out']);
}

export async function saysThatThereIsNoRole({ page }: Tab): Promise<void> {
  await page.getByRole('heading', { name: 'You have no access to tenants' }).waitFor();
}

export async function waitsOutARestart({ page, open, complaints }: Tab): Promise<void> {
  await open('tenants/contoso/record');
  await page.route(API, (route) => route.abort('connectionrefused'));
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByText('The service does not answer').waitFor();
  await page.unroute(API);
  await page.getByRole('heading', { name: 'Changes of the record' }).waitFor();
  await page.getByText('The service does not answer').waitFor({ state: 'hidden' });
  expected(complaints, /ERR_CONNECTION_REFUSED/);
}

/** The service refuses the token: the person signs in again beside the page, which then loads. */
export async function signsInAgainWhereItWas({ page, open, complaints }: Tab): Promise<void> {
  await open('tenants/contoso/record');
  await page.route(API, (route) =>
    route.fulfill({
      status: 401,
      contentType: 'application/problem+json',
      body: JSON.stringify({ code: 'unauthenticated', title: 'The request has no valid token', status: 401, detail: '' }),
    }),
  );
  await page.getByRole('link', { name: 'History' }).click();
  const again = page.getByRole('button', { name: 'Sign in again' });
  await again.waitFor();
  await page.unroute(API);
  const opened = page.waitForEvent('popup');
  await again.click();
  await (await opened).getByRole('link', { name: 'Sign in as operator' }).click();
  await page.getByRole('heading', { name: 'Changes of the record' }).waitFor();
  assert.match(page.url(), /\/console\/tenants\/contoso\/history$/);
  expected(complaints, /status of 401/);
}

/** A check that is refused while it repeats asks for the sign-in as each other call does. */
export async function asksAgainAmidACheck({ page, open, complaints }: Tab): Promise<void> {
  await open('tenants/contoso/check');
  await page.route('**/tenants/contoso/check', (route) =>
    route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"code":"unauthenticated","title":"No","status":401}' }),
  );
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByRole('button', { name: 'Sign in again' }).waitFor();
  await page.unroute('**/tenants/contoso/check');
  expected(complaints, /status of 401/);
}

/**
 * An answer that a page cannot show: the page says so, what is around it stays, and another page
 * works. Nothing is sent anywhere.
 */
export async function keepsAFaultToItsPage({ page, open, complaints }: Tab): Promise<void> {
  await open('tenants/contoso/record');
  await page.route('**/tenants/contoso/history*', (route) => route.fulfill({ json: { changes: 5, checks: [] } }));
  const called: string[] = [];
  page.on('request', (request) => called.push(`${request.method()} ${new URL(request.url()).pathname}`));
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByRole('heading', { name: 'This page cannot be shown' }).waitFor();
  await page.getByText('is not a function').first().waitFor();
  await page.getByRole('button', { name: 'Reload the page' }).waitFor();
  assert.deepEqual(called.filter((one) => !/^GET \/(tenants|console\/assets)\//.test(one)), [], 'the fault is reported to nobody');
  await assertAccessible(page, 'a page with a fault');
  await page.getByRole('link', { name: 'Keys', exact: true }).click();
  await page.getByRole('heading', { name: 'Versions in use' }).waitFor();
  await page.unroute('**/tenants/contoso/history*');
  expected(complaints, /is not a function/);
}

/** A part of the page that is no more, after an update of the service: the page says that a reload helps. */
export async function saysThatAReloadHelps({ page, open, complaints }: Tab): Promise<void> {
  await page.route('**/console/assets/usage-page-*.js', (route) => route.fulfill({ status: 404, body: '' }));
  await open('');
  await page.getByRole('link', { name: 'Usage', exact: true }).click();
  await page.getByText('A part of the page could not be loaded').waitFor();
  await page.unroute('**/console/assets/usage-page-*.js');
  await page.getByRole('button', { name: 'Reload the page' }).click();
  await page.getByRole('heading', { level: 1, name: 'Usage' }).waitFor();
  expected(complaints, /404|imported module/);
}

/** Takes complaints out that the test caused, and asserts that there was one. */
function expected(complaints: string[], pattern: RegExp): void {
  const others = complaints.filter((complaint) => !pattern.test(complaint));
  assert.ok(others.length < complaints.length, `no complaint like ${pattern}`);
  complaints.splice(0, complaints.length, ...others);
}

const MAX_TABS = 60;

async function tabTo(page: Tab['page'], name: string): Promise<void> {
  for (let presses = 0; presses < MAX_TABS; presses += 1) {
    if ((await focused(page)) === name) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not reach ${name}`);
}

const focused = (page: Tab['page']): Promise<unknown> => page.evaluate('document.activeElement.innerText');

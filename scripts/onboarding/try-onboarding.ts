// Onboards northwind in a browser, from its link until everything works: node try-onboarding.ts URL CONTROL [FOLDER], with a
// token of all roles in TOKEN and the path of Chromium in CHROMIUM. With a folder it saves the pictures of the documentation.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const DEADLINE_MS = 60_000;
const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const control = process.argv[3] ?? assert.fail('Name the URL of the control listener');
const folder = process.argv[4];
const token = process.env['TOKEN'] ?? assert.fail('Set TOKEN');
const executablePath = process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM');
const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

const complaints: string[] = [];
const elsewhere: string[] = [];

/** Acts in the part of the customer's administrator. */
async function customer(action: string, body: object): Promise<void> {
  const answer = await fetch(`${control}/${action}`, { method: 'POST', body: JSON.stringify(body) });
  assert.ok(answer.ok, `${action}: ${answer.status}`);
}

async function issueLink(tenantId: string): Promise<string> {
  const answer = await fetch(`${url}/tenants/${tenantId}/onboarding-links`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ allow: ['records'] }),
  });
  assert.equal(answer.status, 200);
  return ((await answer.json()) as { readonly url: string }).url;
}

// Chromium has no sandbox for root; the pages are our own.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });

async function openTab(options: BrowserContextOptions, address: string): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith('data:')) elsewhere.push(request.url());
  });
  await page.goto(address);
  return page;
}

/** Checks that the page has no barrier that axe finds, and no scrolling to the side. */
async function isAccessible(page: Page, name: string): Promise<void> {
  await page.evaluate(axe);
  const found = (await page.evaluate('axe.run().then(({ violations }) => violations)')) as readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
  assert.deepEqual(found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), [], name);
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), `${name} scrolls to the side`);
}

async function picture(page: Page, name: string): Promise<void> {
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) });
}

async function worksWithoutScript(link: string): Promise<void> {
  const page = await openTab({ javaScriptEnabled: false, viewport: { width: 360, height: 780 } }, link);
  for (const name of ['Azure portal', 'Azure CLI', 'Bicep', 'Terraform'])
    await page.getByRole('link', { name: `${name}:` }).waitFor();
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText('Not everything works yet').waitFor();
  await page.context().close();
}

/** The whole onboarding by keyboard: the customer grants the role between two checks. */
async function onboards(link: string): Promise<Page> {
  const page = await openTab({ viewport: { width: 1_200, height: 900 } }, link);
  await picture(page, 'onboarding-page');
  const bar = page.getByRole('banner');
  assert.match(await bar.innerText(), /Example Vendor\s+northwind/i);
  await bar.getByRole('link', { name: 'About this page' }).click();
  assert.match(page.url(), /#about$/);
  const button = page.getByRole('button', { name: 'Check now' });
  await button.focus();
  await page.keyboard.press('Enter');
  await page.getByText('The app has no role on the key').waitFor();
  await page.getByText('Not everything works yet').first().waitFor();
  await customer('grant-role', { vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' });
  await button.focus();
  await page.keyboard.press('Enter');
  await page.getByText('Everything works.').first().waitFor();
  assert.equal(await page.locator('#check-steps > li:not(.passed)').count(), 0);
  await page.locator('#check').scrollIntoViewIfNeeded();
  await picture(page, 'onboarding-check');
  return page;
}

/** Adatum has not added the app: its administrator cancels first, then accepts on the emulated page of Entra. */
async function addsTheApp(link: string): Promise<void> {
  const page = await openTab({}, link);
  for (const [choice, title] of [
    ['cancel', 'Nothing was added'],
    ['user', 'Your account may not add apps'],
    ['accept', 'The app was added'],
  ] as const) {
    const opened = page.waitForEvent('popup');
    await page.getByRole('link', { name: 'Add the app at Microsoft' }).click();
    const tab = await opened;
    await tab.locator(`#${choice}`).click();
    await tab.getByRole('heading', { name: title }).waitFor();
    assert.equal(await tab.evaluate('document.referrer'), '');
    await tab.close();
  }
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText('The app has no role on the key').waitFor();
  await page.context().close();
}

/** Names are the customer's own: 200 characters without a place to break, and one that would be code. */
async function fitsHostileNames(link: string): Promise<void> {
  const path = `${url}/tenants/northwind`;
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/merge-patch+json' };
  for (const displayName of ['W'.repeat(200), '<script>document.title = "ran"</script>']) {
    const { revision } = (await (await fetch(path, { headers })).json()) as { readonly revision: string };
    const body = JSON.stringify({ displayName });
    const { status } = await fetch(path, { method: 'PATCH', headers: { ...headers, 'If-Match': `"${revision}"` }, body });
    assert.equal(status, 200);
    const page = await openTab({ viewport: { width: 360, height: 780 } }, link);
    assert.equal(await page.title(), `Onboarding of ${displayName}`);
    assert.ok((await page.getByRole('banner').innerText()).includes(displayName));
    await isAccessible(page, 'a hostile name');
    await page.context().close();
  }
}

async function rehearses(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Start a drill' }).click();
  await page.getByText('Every process decrypts. Now take access back').first().waitFor();
  await customer('disable-key', { vault: 'northwind', key: 'data' });
  await page.getByRole('button', { name: 'Ring the doorbell' }).click();
  await page.getByText('Every process is refused. Now give access again.').first().waitFor();
  await customer('enable-key', { vault: 'northwind', key: 'data' });
  await page.getByText('The bound was held').first().waitFor();
  await page.getByRole('heading', { name: 'Signed report' }).waitFor();
}

try {
  const link = await issueLink('northwind');
  await worksWithoutScript(link);
  const page = await onboards(link);
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1_200, 360]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 780 });
      await isAccessible(page, `${colorScheme}, ${width} px`);
      if (colorScheme === 'dark' && width === 360) await picture(page, 'onboarding-narrow-dark');
    }
  }
  await addsTheApp(await issueLink('adatum'));
  await rehearses(page);
  await isAccessible(page, 'after a drill');
  await fitsHostileNames(link);
  assert.deepEqual({ complaints, elsewhere }, { complaints: [], elsewhere: [] });
  const refused = await openTab({}, `${url}/onboarding/${'A'.repeat(65)}`);
  await refused.getByRole('heading', { name: 'This link does not open' }).waitFor();
  await isAccessible(refused, 'a link that does not open');
  process.stdout.write(`onboarding: northwind onboarded from its link in Chromium ${browser.version()}\n`);
} finally {
  await browser.close();
}

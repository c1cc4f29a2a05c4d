// Tests the API reference at /docs in a browser: node try-docs.ts URL, with a caller's token in TOKEN and the path of
// Chromium in CHROMIUM.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type Browser, chromium, type Page } from 'playwright-core';
import { parse } from 'yaml';
import { type Contract, operationsOf } from '../../console/reference/src/contract.ts';
import { assertAccessible } from '../console/browser.ts';

const DEADLINE_MS = 60_000;
const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const token = process.env['TOKEN'] ?? assert.fail('Set TOKEN');
const executablePath = process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM');
const contract = parse(readFileSync(join(import.meta.dirname, '..', '..', 'openapi.yaml'), 'utf8')) as Contract;
const operations = operationsOf(contract);

interface Tab {
  readonly page: Page;
  /** Errors of the page and violations of its CSP. */
  readonly complaints: string[];
  /** Addresses of other services. */
  readonly elsewhere: string[];
}

/** Opens a tab without any session, and watches it from its first request. */
async function openTab(browser: Browser, isScriptOn = true): Promise<Tab> {
  const context = await browser.newContext({ javaScriptEnabled: isScriptOn });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const complaints: string[] = [];
  const elsewhere: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith('data:')) elsewhere.push(request.url());
  });
  await page.addInitScript(`document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    console.error('CSP: ' + violatedDirective + ' ' + blockedURI));`);
  return { page, complaints, elsewhere };
}

async function setToken(page: Page): Promise<void> {
  await page.getByRole('banner').getByRole('button', { name: 'Set a token' }).click();
  await page.getByLabel('Bearer token').fill(token);
  await page.getByRole('button', { name: 'Use this token' }).click();
  await page.getByRole('banner').getByText('Token with').waitFor();
}

async function open(page: Page, id: string): Promise<void> {
  await page.goto(`${url}/docs#${id}`);
  await page.locator(`main[id="${id}"]`).waitFor();
}

async function sendIt(page: Page, status: string): Promise<string> {
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  const answer = page.getByRole('region', { name: 'Answer' });
  await answer.locator('.outcome').getByText(status).waitFor();
  return answer.innerText();
}

async function showsEveryOperation({ page }: Tab): Promise<void> {
  await page.goto(`${url}/docs`);
  await page.getByRole('heading', { name: 'API reference' }).waitFor();
  assert.equal(await page.getByRole('navigation').locator('li a').count(), operations.length);
  for (const { id, summary, method } of operations) {
    await page.evaluate(`location.hash = ${JSON.stringify(id)}`);
    await page.locator(`main[id="${id}"]`).getByRole('heading', { name: summary, level: 1 }).waitFor();
    const samples: string[] = [];
    for (const language of ['TypeScript', 'Python', 'curl']) {
      await page.getByRole('button', { name: language, exact: true }).click();
      samples.push(await page.getByRole('group', { name: `the code for ${language}` }).innerText());
    }
    assert.equal(new Set(samples).size, 3, `${method} ${id} has three samples`);
    assert.equal(samples.some((sample) => sample.includes(token)), false);
  }
}

/** By clicks alone: encrypt, decrypt what came, and read the answer. */
async function encryptsAndDecrypts({ page }: Tab): Promise<void> {
  await page.goto(`${url}/docs`);
  await setToken(page);
  await page.getByRole('navigation').getByRole('link', { name: "Encrypt under the customer's own key" }).click();
  assert.match(await sendIt(page, '200 OK'), /"ciphertext": "eyJ/);
  await page.getByRole('navigation').getByRole('link', { name: 'Decrypt a ciphertext' }).click();
  await page.getByRole('button', { name: 'Get values from encryptData' }).click();
  const body = page.getByLabel('Body, application/json');
  while (!(await body.inputValue()).includes('eyJhbGciOiJSU0EtT0FFUC0yNTYiLC')) await page.waitForTimeout(50);
  const answer = await sendIt(page, '200 OK');
  assert.match(answer, /"plaintext": "aGVsbG8="/);
  assert.match(answer, /in \d+ ms, \d+ bytes/);
  await page.getByText('Headers of the answer').click();
  assert.match(await page.getByRole('group', { name: 'Headers of the answer' }).innerText(), /x-request-id: [0-9a-f-]{36}/);
  await page.getByRole('button', { name: 'Copy the code for curl' }).click();
  const copied = String(await page.evaluate('navigator.clipboard.readText()'));
  assert.match(copied, /^curl http:\S+\/tenants\/contoso\/decrypt \\\n {2}-H "Authorization: Bearer \$VAULTSPAN_TOKEN"/);
  assert.equal(copied.includes(token), false);
}

/** A stream goes out as text, comes back as bytes, and is sent again as a file. */
async function sendsStreams({ page }: Tab): Promise<void> {
  await open(page, 'encryptStream');
  assert.match(await sendIt(page, '200 OK'), /56 53 50 4e 31 0a/); // VSPN1
  await open(page, 'decryptStream');
  await page.getByRole('button', { name: 'Get values from encryptStream' }).click();
  await page.getByText(/encrypted\.bin, \d+ bytes/).waitFor();
  assert.match(await sendIt(page, '200 OK'), /68 65 6c 6c 6f/); // hello
}

async function showsRefusals({ page, complaints }: Tab): Promise<void> {
  await open(page, 'encryptData');
  await page.getByLabel('tenantId').fill('nobody');
  assert.match(await sendIt(page, '404'), /"code": "tenant-not-found"/);
  await page.getByLabel('Body, application/json').fill('{');
  await page.getByText('This is no JSON.').waitFor();
  await page.getByRole('button', { name: 'Back to the example' }).click();
  assert.equal(await page.getByLabel('tenantId').inputValue(), 'contoso');
  await page.getByRole('button', { name: 'Forget it' }).click();
  await page.getByText('This operation needs a token.').waitFor();
  assert.match(await sendIt(page, '401'), /"code": "unauthenticated"/);
  // Chromium logs each answer above 399.
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of 40[14]/.test(text)));
}

async function findsAndKeepsTheAddress({ page }: Tab): Promise<void> {
  await page.goto(`${url}/docs/`);
  await page.getByRole('heading', { name: 'API reference' }).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('rewrap header');
  await page.getByText(`1 of ${operations.length} operations`).waitFor();
  await page.keyboard.press('Enter');
  const heading = page.getByRole('heading', { name: "Move a stream's header" });
  await heading.waitFor();
  assert.equal(new URL(page.url()).hash, '#rewrapStreamHeader');
  await page.reload();
  await heading.waitFor();
  await page.goBack();
  await page.getByRole('heading', { name: 'API reference' }).waitFor();
  await page.goto(`${url}/docs#/Data/decryptData`);
  await page.getByRole('heading', { name: 'Decrypt a ciphertext' }).waitFor();
  await page.goto(`${url}/docs#nonsense`);
  await page.getByText('The API has no operation nonsense.').waitFor();
}

async function worksByKeyboardAlone({ page }: Tab): Promise<void> {
  await page.goto(`${url}/docs`);
  await page.getByRole('heading', { name: 'API reference' }).waitFor();
  await pressUntil(page, 'Shift+Tab', 'Set a token');
  await page.keyboard.press('Enter');
  await pressUntil(page, 'Tab', 'Bearer token');
  await page.keyboard.insertText(token);
  await pressUntil(page, 'Tab', 'Use this token');
  await page.keyboard.press('Enter');
  await page.keyboard.press('/');
  await page.keyboard.type('encryptData');
  await page.keyboard.press('Enter');
  await page.locator('main[id="encryptData"]').waitFor();
  await pressUntil(page, 'Tab', 'Send');
  await page.keyboard.press('Enter');
  await page.locator('.outcome').getByText('200 OK').waitFor();
  await pressUntil(page, 'Tab', 'Python');
  await page.keyboard.press('Space');
  await page.getByText('from vaultspan import Vaultspan').waitFor();
}

/** Presses a key until the control with this name has the focus. */
async function pressUntil(page: Page, key: string, name: string): Promise<void> {
  for (let presses = 0; presses < 150; presses += 1) {
    await page.keyboard.press(key);
    const focused = await page.evaluate(`(() => {
      const { activeElement: element } = document;
      return element.labels?.[0]?.textContent ?? element.getAttribute('aria-label') ?? element.textContent;
    })()`);
    if (focused === name) return;
  }
  assert.fail(`${key} does not reach ${name}`);
}

async function takesTheSignIn({ page, elsewhere }: Tab): Promise<void> {
  await open(page, 'encryptData');
  await page.getByRole('banner').getByRole('button', { name: 'Set a token' }).click();
  await page.keyboard.press('Escape');
  const tenantId = page.getByLabel('tenantId');
  await tenantId.fill('fabrikam'); // the sign-in has a window of its own, so that the form stays
  await page.getByRole('banner').getByRole('button', { name: 'Set a token' }).click();
  const opened = page.waitForEvent('popup');
  await page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).click();
  await (await opened).locator('#operator').click();
  await page.getByRole('banner').getByText('Olivia Operator').waitFor();
  assert.equal(await tenantId.inputValue(), 'fabrikam');
  await tenantId.fill('contoso');
  assert.equal(new URL(page.url()).hash, '#encryptData');
  assert.match(await sendIt(page, '200 OK'), /"ciphertext": "eyJ/);
  await page.reload();
  await page.getByRole('banner').getByText('Olivia Operator').waitFor();
  assert.equal(await page.evaluate('localStorage.length'), 0, 'tokens stay in the tab');
  const hosts = new Set(elsewhere.map((address) => new URL(address).host));
  assert.equal(hosts.size, 1, `only the sign-in is another host: ${[...hosts].join(' ')}`);
  elsewhere.length = 0;
}

async function isAccessible({ page }: Tab): Promise<void> {
  await page.goto(`${url}/docs`);
  await setToken(page);
  await assertAccessible(page, '/docs');
  for (const id of ['encryptData', 'putTenant', 'listAuditRecords', 'encryptStream', 'readUsage', 'deleteTenant', 'getHealth']) {
    await open(page, id);
    await assertAccessible(page, id);
  }
  await open(page, 'getTenant');
  await sendIt(page, '200 OK');
  const buttons = page.getByRole('button', { name: /^Show the members of / });
  while ((await buttons.count()) > 0) await buttons.first().click();
  const closed = page.locator('details:not([open]) > summary');
  while ((await closed.count()) > 0) await closed.first().click();
  await assertAccessible(page, 'an answer with everything open');
  await page.getByRole('button', { name: 'Forget it' }).click();
  await page.getByRole('banner').getByRole('button', { name: 'Set a token' }).click();
  await assertAccessible(page, 'the dialog');
}

async function listsOperationsWithoutScript({ page }: Tab): Promise<void> {
  await page.goto(`${url}/docs`);
  assert.equal(await page.locator('noscript li').count(), operations.length);
  const [first, link] = [page.locator('noscript li').first(), page.locator('noscript a')]; // texts of noscript have no role
  assert.match(await first.innerText(), /^POST \/tenants\/\{tenantId\}\/encrypt /);
  assert.deepEqual([await first.isVisible(), await link.getAttribute('href')], [true, 'openapi.yaml']);
}

/** Returns what the first visit transfers and how long it takes to the first paint. */
async function firstVisit(browser: Browser): Promise<string> {
  const { page } = await openTab(browser);
  await page.goto(`${url}/docs`, { waitUntil: 'networkidle' });
  const [bytes, paint] = (await page.evaluate(`(async () => {
    const painted = () => performance.getEntriesByName('first-contentful-paint')[0];
    while (!painted()) await new Promise((resolve) => setTimeout(resolve, 50));
    const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    return [entries.reduce((sum, { transferSize }) => sum + transferSize, 0), painted().startTime];
  })()`)) as [number, number];
  return `${Math.round(bytes / 1_000)} kB to the first page, first paint after ${Math.round(paint)} ms`;
}

const CHECKS = [
  showsEveryOperation,
  encryptsAndDecrypts,
  sendsStreams,
  showsRefusals,
  findsAndKeepsTheAddress,
  worksByKeyboardAlone,
  takesTheSignIn,
  isAccessible,
];

// Chromium has no sandbox for root; the page is our own.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
try {
  const visit = await firstVisit(browser);
  let tab = await openTab(browser);
  for (const check of CHECKS) {
    // A sign-in and a pasted token stay in a tab; most checks start without one.
    if (check !== sendsStreams && check !== showsRefusals) {
      await tab.page.context().close();
      tab = await openTab(browser);
    }
    const { complaints, elsewhere } = tab;
    await check(tab).catch((cause: unknown) => {
      throw new Error(`${check.name} failed`, { cause });
    });
    assert.deepEqual({ complaints, elsewhere }, { complaints: [], elsewhere: [] }, check.name);
  }
  await listsOperationsWithoutScript(await openTab(browser, false));
  process.stdout.write(`docs: ${operations.length} operations, ${CHECKS.length + 1} checks in Chromium ${browser.version()}, ${visit}\n`);
} finally {
  await browser.close();
}

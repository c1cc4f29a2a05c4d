// Tests the page at /docs in a browser: node try-docs.ts URL, with a caller's token in TOKEN and
// the path of Chromium in CHROMIUM.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { chromium, type Locator, type Page } from 'playwright-core';
import { parse } from 'yaml';

const DEADLINE_MS = 30_000;
const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const token = process.env['TOKEN'] ?? assert.fail('Set TOKEN');
const executablePath = process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM');

const contract = parse(readFileSync(join(import.meta.dirname, '..', '..', 'openapi.yaml'), 'utf8')) as {
  readonly paths: Readonly<Record<string, object>>;
};
const operationCount = Object.values(contract.paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0);

// Chromium has no sandbox for root; the page is our own.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
try {
  const page = await browser.newPage();
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
  await page.goto(`${url}/docs`);
  await page.locator('.opblock').first().waitFor();
  assert.equal(await page.locator('.opblock').count(), operationCount);
  const health = await tryOut(page, 'getHealth');
  assert.deepEqual([await statusOf(health), JSON.parse(await answerOf(health))], ['200', { status: 'ok' }]);
  await authorize(page);
  const encrypted = await tryOut(page, 'encryptData', { tenantId: 'contoso' });
  assert.equal(await statusOf(encrypted), '200');
  assert.match(await answerOf(encrypted), /"ciphertext": "eyJ/);
  assert.deepEqual({ complaints, elsewhere }, { complaints: [], elsewhere: [] });
  process.stdout.write(`docs: ${operationCount} operations shown, two tried out in Chromium ${browser.version()}\n`);
} finally {
  await browser.close();
}

async function authorize(page: Page): Promise<void> {
  await page.locator('.btn.authorize').click();
  await page.locator('.modal-ux input').fill(token);
  await page.locator('.modal-ux .btn.authorize').click();
  await page.locator('.modal-ux .btn-done').click();
}

/** Opens an operation, fills in its parameters, sends its example and returns its block. */
async function tryOut(page: Page, operationId: string, parameters: Readonly<Record<string, string>> = {}): Promise<Locator> {
  const block = page.locator(`.opblock[id$="-${operationId}"]`);
  await block.locator('.opblock-summary-control').click();
  await block.locator('.try-out__btn').click();
  for (const [name, value] of Object.entries(parameters)) {
    await block.locator(`tr[data-param-name="${name}"] input`).fill(value);
  }
  await block.locator('.btn.execute').click();
  return block;
}

function statusOf(block: Locator): Promise<string> {
  return block.locator('.live-responses-table .response-col_status').last().innerText();
}

function answerOf(block: Locator): Promise<string> {
  return block.locator('.live-responses-table .highlight-code code').first().innerText();
}

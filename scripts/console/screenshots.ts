// Saves the pictures of the documentation: node screenshots.ts URL FOLDER, with a token of all roles in TOKEN and the path
// of Chromium in CHROMIUM.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import process from 'node:process';
import { chromium, type Page } from 'playwright-core';

const DEADLINE_MS = 60_000;
const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const folder = process.argv[3] ?? assert.fail('Name the folder of the pictures');
const token = process.env['TOKEN'] ?? assert.fail('Set TOKEN');
const executablePath = process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM');

interface Picture {
  readonly name: string;
  /** Address below /console/. */
  readonly path: string;
  readonly width: number;
  readonly height: number;
  readonly colorScheme: 'light' | 'dark';
  readonly ready: (page: Page) => Promise<void>;
}

const PICTURES: readonly Picture[] = [
  {
    name: 'console-overview',
    path: '',
    width: 1_200,
    height: 900,
    colorScheme: 'light',
    ready: (page) => page.getByRole('link', { name: 'northwind' }).waitFor(),
  },
  {
    name: 'console-check-dark',
    path: 'tenants/adatum/check',
    width: 1_200,
    height: 900,
    colorScheme: 'dark',
    ready: async (page) => {
      await page.getByRole('button', { name: 'Check now' }).click();
      await page.getByText(/steps? failed/).first().waitFor();
    },
  },
  {
    name: 'console-narrow',
    path: 'tenants/contoso/keys',
    width: 360,
    height: 780,
    colorScheme: 'light',
    ready: (page) => page.getByRole('heading', { name: 'Versions in use' }).waitFor(),
  },
  {
    name: 'api-reference',
    path: '../docs#encryptData',
    width: 1_300,
    height: 900,
    colorScheme: 'light',
    ready: async (page) => {
      await page.getByText('Olivia Operator').waitFor();
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      await page.getByText('200 OK').waitFor();
    },
  },
];

async function call(path: string, body: object): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  await fetch(`${url}/tenants/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** Makes the state that the pictures show: some use, and some refusals. */
async function prepare(): Promise<void> {
  for (const [tenant, key] of [['contoso', 'data'], ['contoso', 'compact'], ['fabrikam', 'data'], ['northwind', 'data']])
    await call(`${tenant}/encrypt`, { plaintext: 'aGVsbG8=', key });
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const response = await fetch(`${url}/overview`, { headers: { Authorization: `Bearer ${token}` } });
    const { tenants } = (await response.json()) as { readonly tenants: { readonly unchecked: number } };
    if (tenants.unchecked === 0) return;
    assert.ok(performance.now() < deadline, 'the tenants were not checked in time');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

await prepare();
// Chromium has no sandbox for root; the pages are our own.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  await page.goto(`${url}/console/`);
  await page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).click();
  await page.locator('#operator').click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  for (const { name, path, width, height, colorScheme, ready } of PICTURES) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.goto(`${url}/console/${path}`);
    await ready(page);
    await page.screenshot({ path: join(folder, `${name}.png`) });
  }
  process.stdout.write(`screenshots: ${PICTURES.length} pictures in ${folder}\n`);
} finally {
  await browser.close();
}

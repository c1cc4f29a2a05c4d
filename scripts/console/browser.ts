import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';

const DEADLINE_MS = 60_000;
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** A person of the emulated directory. */
export type Person = 'operator' | 'auditor' | 'nobody';

/** A signed-in tab, and what its pages complained of. */
export interface Tab {
  readonly page: Page;
  /** Errors of the page and violations of its CSP. Expected ones are taken out by the test. */
  readonly complaints: string[];
  /** Hosts that it called. */
  readonly hosts: ReadonlySet<string>;
  /** Opens a page of the console by a link to it, and waits for its heading. */
  open(path: string): Promise<void>;
}

export async function signIn(browser: Browser, url: string, person: Person): Promise<Tab> {
  const context = await browser.newContext({ acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url().startsWith('http')) hosts.add(new URL(request.url()).host);
  });
  await page.goto(`${url}/console/`);
  await page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).click();
  await page.getByRole('link', { name: `Sign in as ${person}` }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  const open = async (path: string): Promise<void> => {
    await page.goto(`${url}/console/${path}`);
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    await page.getByText('Loading').first().waitFor({ state: 'hidden' });
  };
  return { page, complaints, hosts, open };
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** Asserts that axe finds nothing, and that the page fits its width: wide and narrow, light and dark. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(AXE);
  for (const [width, colorScheme] of [
    [1_200, 'light'],
    [360, 'dark'],
  ] as const) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    const found = (await page.evaluate('axe.run(document).then((result) => result.violations)')) as Violation[];
    const violations = found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`);
    assert.deepEqual(violations, [], `axe: ${what}, ${width} px, ${colorScheme}`);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    assert.equal(overflow, 0, `${what} is wider than ${width} px`);
  }
  await page.setViewportSize({ width: 1_200, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
}

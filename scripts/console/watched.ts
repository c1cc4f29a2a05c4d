import type { Browser, BrowserContext, Page } from 'playwright-core';

const DEADLINE_MS = 60_000;

export interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors and violations of the CSP. */
  readonly complaints: string[];
  /** Addresses of all requests. */
  readonly requests: string[];
}

/** Opens a tab without any session, and watches it and its windows from their first request. */
export async function openTab(browser: Browser): Promise<Watched> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const complaints: string[] = [];
  const requests: string[] = [];
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(error.error().message));
  page.on('request', (request) => requests.push(request.url()));
  await context.addInitScript(`document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    console.error('CSP: ' + violatedDirective + ' ' + blockedURI));`);
  return { page, context, complaints, requests };
}

/** Signs in as a person of the emulated directory, or cancels. */
export async function choose({ page }: Watched, consoleUrl: string, choice: string): Promise<void> {
  await page.goto(consoleUrl);
  await page.getByRole('button', { name: 'Sign in with Microsoft Entra ID' }).click();
  await page.locator(`#${choice}`).click();
}

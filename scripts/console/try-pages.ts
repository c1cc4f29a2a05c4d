// Tests the console's pages in a browser: node try-pages.ts URL CONTROL, with a token of all roles in
// TOKEN and the path of Chromium in CHROMIUM.
import assert from 'node:assert/strict';
import process from 'node:process';
import { chromium } from 'playwright-core';
import { assertAccessible, signIn, type Tab } from './browser.ts';
import * as tasks from './tasks.ts';
import * as trouble from './trouble.ts';
import * as upkeep from './upkeep-tasks.ts';

const place = {
  url: process.argv[2] ?? assert.fail('Name the URL of the service'),
  control: process.argv[3] ?? assert.fail('Name the control URL of the emulated Azure'),
  token: process.env['TOKEN'] ?? assert.fail('Set TOKEN'),
};
const executablePath = process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM');

const TASKS = [
  tasks.looksAtTheOverview,
  tasks.encryptsAndDecrypts,
  tasks.searchesTheAuditLog,
  tasks.suspendsAndResumes,
  tasks.savesOverAnotherAdmin,
  tasks.movesBranchKeysAfterARotation,
  tasks.issuesAndRevokesALink,
  tasks.checksUntilTheCustomerHasGranted,
  tasks.seesEachStepOfACheck,
  tasks.followsADrill,
  upkeep.readsTheUsage,
  upkeep.changesAQuota,
  upkeep.provesAnEntry,
  upkeep.registersRemovesAndRestores,
  trouble.worksByKeyboardAlone,
  trouble.waitsOutARestart,
  trouble.signsInAgainWhereItWas,
  trouble.keepsAFaultToItsPage,
  trouble.saysThatAReloadHelps,
  trouble.asksAgainAmidACheck,
  tasks.showsHostileNames,
];
const PARTS = ['record', 'keys', 'check', 'onboarding', 'drill', 'history', 'audit', 'usage', 'receipts', 'try'];

// Chromium has no sandbox for root; the pages are our own.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
try {
  const operator = await signIn(browser, place.url, 'operator');
  for (const task of TASKS) {
    await named(task.name, task(operator, place));
    // A refusal that the task asked for is no complaint; Chromium logs each answer above 399.
    const complaints = operator.complaints.filter((text) => !/status of (4\d\d|503)/.test(text));
    assert.deepEqual(complaints, [], task.name);
    operator.complaints.length = 0;
  }
  for (const path of ['', 'nowhere', 'usage', 'register', ...PARTS.map((part) => `tenants/contoso/${part}`)]) {
    await operator.open(path);
    await assertAccessible(operator.page, path);
  }
  const signInHost = [...operator.hosts].filter((host) => host !== new URL(place.url).host);
  assert.equal(signInHost.length, 1, `only the sign-in is another host: ${signInHost.join(' ')}`);
  const auditor = await signIn(browser, place.url, 'auditor');
  await named('auditor', trouble.hidesWhatTheRoleDoesNotInclude(auditor));
  await named('nobody', trouble.saysThatThereIsNoRole(await signIn(browser, place.url, 'nobody')));
  process.stdout.write(`console: ${TASKS.length + 2} tasks, ${PARTS.length + 4} pages without a violation, first paint ${await firstPaint(operator)} ms\n`);
} finally {
  await browser.close();
}

async function named(name: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new Error(`${name} failed`, { cause: error });
  }
}

async function firstPaint({ open, page }: Tab): Promise<number> {
  await open('');
  const painted = await page.evaluate(`(async () => {
    const painted = () => performance.getEntriesByName('first-contentful-paint')[0];
    while (!painted()) await new Promise((resolve) => setTimeout(resolve, 50));
    return painted().startTime;
  })()`);
  return Math.round(Number(painted));
}

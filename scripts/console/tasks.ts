// The tasks of an operator in the console, each against the real service and the emulated Azure.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import type { Tab } from './browser.ts';

export interface Place {
  readonly url: string;
  /** Where the emulated Azure takes orders. */
  readonly control: string;
  /** A token of all roles, for the other admin. */
  readonly token: string;
}

export async function looksAtTheOverview({ page, open }: Tab): Promise<void> {
  await open('');
  await page.getByRole('link', { name: /^4\s*All tenants/ }).waitFor();
  const rows = page.getByRole('table').getByRole('row');
  assert.equal(await rows.count(), 5);
  await page.getByRole('searchbox', { name: 'Search' }).fill('North');
  await page.getByRole('link', { name: 'contoso' }).waitFor({ state: 'hidden' });
  assert.equal(await rows.count(), 2);
  assert.match(page.url(), /\?search=North$/);
  await page.getByRole('link', { name: /Failing/ }).click();
  await page.getByRole('link', { name: 'adatum' }).waitFor();
  await page.getByText('sign-in: app-absent').first().waitFor();
  assert.equal(await page.getByRole('link', { name: 'contoso' }).count(), 0);
}

export async function suspendsAndResumes({ page, open }: Tab, place: Place): Promise<void> {
  await open('tenants/fabrikam');
  await page.getByRole('button', { name: 'Suspend…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Suspend fabrikam' });
  const confirm = dialog.getByRole('button', { name: 'Suspend' });
  await dialog.getByLabel('Type fabrikam to confirm').fill('fabrika');
  assert.equal(await confirm.isDisabled(), true);
  await dialog.getByLabel('Type fabrikam to confirm').fill('fabrikam');
  await confirm.click();
  await page.getByRole('button', { name: 'Resume…' }).waitFor();
  assert.equal((await read(place, '/tenants/fabrikam'))['state'], 'suspended');
  await page.getByRole('button', { name: 'Resume…' }).click();
  await page.getByLabel('Type fabrikam to confirm').fill('fabrikam');
  await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Suspend…' }).waitFor();
  assert.equal((await read(place, '/tenants/fabrikam'))['state'], 'active');
  await open('tenants/fabrikam/history');
  await page.getByRole('cell', { name: 'suspended' }).waitFor();
}

/** Two admins change one record at once: the second sees what the first saved, and loses nothing. */
export async function savesOverAnotherAdmin({ page, open }: Tab, place: Place): Promise<void> {
  await open('tenants/fabrikam/record');
  await page.getByRole('button', { name: 'Edit the record' }).click();
  await page.getByLabel('Display name').fill('Fabrikam Ltd');
  await page.getByLabel('Revocation bound, in seconds').fill('soon');
  assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true);
  await page.getByText('Must be a whole number of seconds').waitFor();
  await page.getByLabel('Revocation bound, in seconds').fill('120');
  const { revision } = await read(place, '/tenants/fabrikam');
  await patch(place, 'fabrikam', String(revision), { metadata: { plan: 'gold' } });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Somebody else saved revision').waitFor();
  await page.getByRole('cell', { name: '{"plan":"gold"}' }).waitFor();
  await page.getByRole('button', { name: 'Save my changes on top of theirs' }).click();
  await page.getByText('Saved as revision').waitFor();
  const { displayName, revocationBoundSeconds, metadata } = await read(place, '/tenants/fabrikam');
  assert.deepEqual(
    { displayName, revocationBoundSeconds, metadata },
    { displayName: 'Fabrikam Ltd', revocationBoundSeconds: 120, metadata: { plan: 'gold' } },
  );
}

export async function movesBranchKeysAfterARotation({ page, open }: Tab, place: Place): Promise<void> {
  await order(place, '/rotate-key', { vault: 'contoso', key: 'compact' });
  await open('tenants/contoso/keys');
  await page.getByRole('button', { name: 'Move the keys…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Move the keys' }).click();
  await page.getByText(/^\s*Done\s+\d+ keys are at the target, 0 stay where they are/).waitFor();
}

export async function checksUntilTheCustomerHasGranted({ page, open }: Tab, place: Place): Promise<void> {
  await open('tenants/northwind/check');
  await page.getByLabel('repeat until every step passes').check();
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText('The owner of the vault can fix it').first().waitFor();
  await page.getByRole('button', { name: 'Copy the command that fixes it' }).first().waitFor();
  await order(place, '/grant-role', { vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' });
  await page.getByText('Every step passed').waitFor();
}

/** The steps appear one after the other: the vault has not answered the last ones yet. */
export async function seesEachStepOfACheck({ page, open }: Tab, place: Place): Promise<void> {
  await open('tenants/contoso/check');
  const slow = { at: 'contoso', operation: 'unwrapKey', kind: 'delay', delayMs: 600_000, times: 1 };
  await order(place, '/inject-fault', slow);
  await page.getByRole('button', { name: 'Check now' }).click();
  const steps = page.getByRole('list', { name: 'Steps of the check' }).getByRole('listitem');
  await steps.filter({ hasText: /wrap with/ }).first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Checking…' }).isVisible(), true);
  const before = await steps.count();
  await order(place, '/clear-faults', {});
  await page.getByText('Every step passed').waitFor();
  assert.ok((await steps.count()) > before);
}

export async function followsADrill({ page, open }: Tab, place: Place): Promise<void> {
  const { revision } = await read(place, '/tenants/fabrikam');
  await patch(place, 'fabrikam', String(revision), { revocationBoundSeconds: 15 });
  await open('tenants/fabrikam/drill');
  await page.getByRole('button', { name: 'Start a drill' }).click();
  await page.getByText('Ask the customer to revoke access now').waitFor();
  await order(place, '/disable-key', { vault: 'fabrikam', key: 'data' });
  await page.getByText('Ask the customer to restore access').waitFor();
  await order(place, '/enable-key', { vault: 'fabrikam', key: 'data' });
  await page.getByText('The bound was held').waitFor();
  const report = await textOfDownload(page, 'Download the report');
  assert.match(report, /^# Revocation drill of fabrikam/);
  await page.getByRole('link', { name: 'All drills' }).click();
  await page.getByRole('row', { name: /finished\s+15 s\s+held/ }).first().getByRole('link').click();
  await page.getByText('The bound was held').waitFor();
}

export async function encryptsAndDecrypts({ page, open }: Tab): Promise<void> {
  await open('tenants/contoso/try');
  await page.getByLabel('Encryption context').fill('purpose=demo\nno pair');
  await page.getByText('“no pair” is not name=value').waitFor();
  await page.getByLabel('Encryption context').fill('purpose=demo');
  await page.getByLabel('Text', { exact: true }).fill('grüezi');
  await page.getByRole('button', { name: 'Encrypt' }).click();
  await page.getByText('"enc": "A256GCM"').waitFor();
  await page.getByText('7 bytes of text').waitFor();
  await page.getByRole('button', { name: 'Decrypt' }).click();
  await page.getByRole('status', { name: 'Done: Decrypted' }).getByText('grüezi').waitFor();
  await page.getByLabel('Encryption context').fill('purpose=other');
  await page.getByRole('button', { name: 'Decrypt' }).click();
  await page.getByText('context-mismatch').waitFor();
}

/** Runs after encryptsAndDecrypts, whose records it looks for. */
export async function searchesTheAuditLog({ page, open }: Tab): Promise<void> {
  await open('tenants/contoso/audit');
  await page.getByLabel('Operation').fill('decrypt');
  await page.getByLabel('Outcome').selectOption('refused');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText(/^1 records? shown/).waitFor();
  const row = page.getByRole('table').getByRole('row').nth(1);
  assert.match(await row.innerText(), /context-mismatch/);
  await row.locator('summary').click();
  await row.getByText('"operation": "decrypt"').waitFor();
  const lines = (await textOfDownload(page, 'Download as NDJSON')).trimEnd().split('\n');
  const [record, ...others] = lines.map((line) => JSON.parse(line) as Readonly<Record<string, string>>);
  assert.deepEqual([record?.['operation'], record?.['code'], others.length], ['decrypt', 'context-mismatch', 0]);
  await page.getByLabel('Operation').fill('Decrypt?');
  await page.getByText('Such as decrypt').waitFor();
  await page.getByLabel('Operation').fill('');
  await page.getByLabel('Outcome').selectOption('any');
  await page.getByLabel('Text').fill(record?.['requestId']?.toUpperCase() ?? '');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText(/^1 record shown; there are no older ones/).waitFor();
  await page.getByLabel('Text').fill("' or 1=1 --");
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText(/^0 records shown; there are no older ones/).waitFor();
}

export async function issuesAndRevokesALink({ page, open }: Tab): Promise<void> {
  await open('tenants/northwind/onboarding');
  await page.getByLabel('Valid for, in days').fill('3');
  await page.getByRole('button', { name: 'Issue a link' }).click();
  await page.getByText(/\/onboarding\/[\w.-]{22,}/).waitFor();
  await page.getByRole('button', { name: /^Revoke the link/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('cell', { name: 'revoked' }).waitFor();
  await page.getByRole('button', { name: 'Copy Command: Add the vendor' }).waitFor();
  await page.getByRole('button', { name: 'Copy the address of the doorbell' }).waitFor();
  assert.match(await textOfDownload(page, 'Download the script'), /\/doorbell\/[\w-]{43}/);
}

/** A name that a tenant's record may have is text, and a long one widens nothing. */
export async function showsHostileNames({ page, open, complaints }: Tab, place: Place): Promise<void> {
  const { revision } = await read(place, '/tenants/adatum');
  const displayName = `<script>document.title='x'</script>${'W'.repeat(160)}`;
  await patch(place, 'adatum', String(revision), { displayName });
  for (const path of ['', 'tenants/adatum/record']) {
    await page.setViewportSize({ width: 360, height: 800 });
    await open(path);
    await page.getByText(displayName).first().waitFor();
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    assert.equal(overflow, 0, path);
  }
  await page.setViewportSize({ width: 1_200, height: 800 });
  assert.deepEqual(complaints, []);
}

export async function textOfDownload(page: Page, button: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: button }).click()]);
  return readFileSync(await download.path(), 'utf8');
}

async function order({ control }: Place, action: string, members: object): Promise<void> {
  const { status } = await fetch(`${control}${action}`, { method: 'POST', body: JSON.stringify(members) });
  assert.equal(status, 200, action);
}

export async function read({ url, token }: Place, path: string): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(`${url}${path}`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(response.status, 200, path);
  return (await response.json()) as Record<string, unknown>;
}

async function patch({ url, token }: Place, tenantId: string, revision: string, members: object): Promise<void> {
  const { status } = await fetch(`${url}/tenants/${tenantId}`, {
    method: 'PATCH',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/merge-patch+json',
      'If-Match': `"${revision}"`,
    },
    body: JSON.stringify(members),
  });
  assert.equal(status, 200, tenantId);
}

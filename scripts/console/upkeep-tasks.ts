// Further tasks of an operator: usage and quotas, receipts, and tenants that come and leave.
import assert from 'node:assert/strict';
import type { Tab } from './browser.ts';
import { type Place, read, textOfDownload } from './tasks.ts';

/** Runs after encryptsAndDecrypts, whose calls are the usage. */
export async function readsTheUsage({ page, open }: Tab): Promise<void> {
  await open('');
  await page.getByRole('link', { name: 'Usage' }).click();
  await page.getByRole('heading', { name: 'Usage of all tenants' }).waitFor();
  await page.getByRole('link', { name: 'contoso' }).waitFor();
  const csv = await textOfDownload(page, 'Download as CSV');
  assert.match(csv, /^tenantId,start,operations,.*\r\n(.*\r\n)*contoso,,\d+,/);
  await page.getByLabel('Order').selectOption('by id');
  await page.getByRole('link', { name: 'contoso' }).click();
  await page.getByRole('table', { name: '' }).first().waitFor();
  const [day] = /contoso,\d{4}-\d\d-\d\d/.exec(await textOfDownload(page, 'Download as CSV')) ?? assert.fail('no day');
  const today = day.slice('contoso,'.length); // of the usage: midnight may have passed since
  await page.getByRole('row', { name: new RegExp(`^${today}`) }).waitFor();
  await page.getByLabel('By').selectOption('month');
  await page.getByRole('row', { name: new RegExp(`^${today.slice(0, 7)}`) }).waitFor();
  assert.match(await textOfDownload(page, 'Download as CSV'), new RegExp(`contoso,${today}T00:00:00.000Z,`));
  await page.getByLabel('From').fill('2030-01-01');
  await page.getByText('The last day is before the first').waitFor();
}

export async function changesAQuota({ page, open }: Tab, place: Place): Promise<void> {
  await open('tenants/fabrikam/usage');
  await page.getByText('The tenant has no quota.').waitFor();
  await page.getByRole('button', { name: 'Change the quota' }).click();
  await page.getByLabel('Operations in a period').fill('none');
  await page.getByText('Must be a whole number').waitFor();
  await page.getByLabel('Operations in a period').fill('1000');
  await page.getByLabel('Period, in seconds').fill('3600');
  await page.getByRole('button', { name: 'Save the quota' }).click();
  await page.getByRole('row', { name: /^operations 1,000/ }).waitFor();
  assert.deepEqual((await read(place, '/tenants/fabrikam'))['quota'], { operations: 1_000, periodSeconds: 3_600 });
  await page.getByRole('button', { name: 'Change the quota' }).click();
  await page.getByLabel('Operations in a period').fill('');
  await page.getByLabel('Period, in seconds').fill('');
  await page.getByRole('button', { name: 'Save the quota' }).click();
  await page.getByText('The tenant has no quota.').waitFor();
}

/** Checkpoints come within seconds of a record in `dev`. */
export async function provesAnEntry({ page, open }: Tab): Promise<void> {
  await open('tenants/contoso/receipts');
  await page.getByLabel(/^Number of the entry/).fill('999999999');
  await page.getByText('Is not in the log').waitFor();
  await page.getByLabel(/^Number of the entry/).fill('0');
  await page.getByRole('button', { name: 'Prove the entry' }).click();
  await page.getByText(/"tenantId":"contoso"/).first().waitFor();
  assert.match(await textOfDownload(page, 'Download the proof of the entry'), /^c2sp\.org\/tlog-proof@v1\nindex 0\n/);
  await page.getByLabel(/^Entries of the earlier checkpoint/).fill('1');
  await page.getByRole('button', { name: 'Prove the growth' }).click();
  assert.match(await textOfDownload(page, 'Download the proof of the growth'), /^old 1\n/);
}

/** A tenant is registered, suspended, removed with its id typed, and restored. */
export async function registersRemovesAndRestores({ page, open }: Tab, place: Place): Promise<void> {
  const fabrikam = await read(place, '/tenants/fabrikam');
  const keys = fabrikam['keys'] as Readonly<Record<string, { readonly vaultUrl: string }>>;
  await open('');
  await page.getByRole('link', { name: 'Register a tenant' }).click();
  await page.getByRole('button', { name: 'Register', exact: true }).click();
  await page.getByText('Must be 1 to 64 of a-z, 0-9 and hyphens').waitFor();
  await page.getByLabel('Id', { exact: true }).fill('tailspin');
  await page.getByLabel('Display name').fill('Tailspin');
  await page.getByLabel("Customer's directory").fill(String(fabrikam['entraTenantId']));
  await page.getByLabel("Customer's vault").fill(keys['data']?.vaultUrl ?? '');
  await page.getByLabel('Name of the key in the vault').fill('ledger');
  await page.getByRole('button', { name: 'Register', exact: true }).click();
  await page.getByRole('heading', { name: 'Tailspin' }).waitFor();
  assert.match(page.url(), /\/tenants\/tailspin\/onboarding$/);
  assert.equal(await page.getByRole('button', { name: 'Remove…' }).count(), 0);
  await page.getByRole('button', { name: 'Suspend…' }).click();
  await page.getByLabel('Type tailspin to confirm').fill('tailspin');
  await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
  await page.getByRole('button', { name: 'Remove…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Remove tailspin' });
  assert.equal(await dialog.getByRole('button', { name: 'Remove' }).isDisabled(), true);
  await dialog.getByLabel('Type tailspin to confirm').fill('tailspin');
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByRole('link', { name: 'tailspin' }).waitFor({ state: 'hidden' });
  await page.getByRole('link', { name: 'Register a tenant' }).click();
  await page.getByLabel('Id of the removed tenant').fill('tailspin');
  await page.getByRole('button', { name: 'Restore…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click();
  await page.getByRole('heading', { name: 'Tailspin' }).waitFor();
  assert.equal((await read(place, '/tenants/tailspin'))['state'], 'suspended');
  await remove(place, 'tailspin'); // the other tasks count tenants
}

async function remove(place: Place, tenantId: string): Promise<void> {
  const { revision } = await read(place, `/tenants/${tenantId}`);
  const { status } = await fetch(`${place.url}/tenants/${tenantId}`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${place.token}`, 'If-Match': `"${String(revision)}"` },
  });
  assert.equal(status, 204);
}

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isCompact } from '../../src/format/compact.ts';
import { type BranchRow, BranchTable } from '../support/branch-rows.ts';
import { branchIdOf, compactCalls } from '../support/compact-calls.ts';
import { startService, type TestService } from '../support/start-service.ts';

/** Processes do not recheck rows while a test alters them. */
const SETTINGS = { settleSeconds: 0, recheckSeconds: 300, copies: 'none' };

let service: TestService;
let table: BranchTable;
beforeAll(async () => {
  service = await startService({ compact: 'enabled', config: { branchKeys: SETTINGS } });
  table = new BranchTable(service.folder);
});
afterAll(async () => service[Symbol.asyncDispose]());

const { encrypt, decrypt, startWith } = compactCalls(() => service);

const set = (column: string, value: string | null, id: string): void =>
  table.run(`update keyring_keys set ${column} = ? where id = ?`, value, id);

/** Runs a test with an altered row, then puts the row back. */
async function altered(alter: (row: BranchRow) => void, run: (ciphertext: string, row: BranchRow) => Promise<void>) {
  const ciphertext = await encrypt(service);
  expect(isCompact(ciphertext)).toBe(true);
  const row = table.rows().find(({ id }) => id === branchIdOf(ciphertext));
  if (!row) throw new Error('no row');
  // A process that holds the row would restore it once it hears of a change by the one before.
  for (const action of ['suspend', 'resume']) await service.post(`/tenants/contoso/${action}`, '').expect(200);
  alter(row);
  try {
    await run(ciphertext, row);
  } finally {
    table.run("delete from keyring_keys where tenant_id = 'contoso' or id = ?", row.id);
    const columns = Object.keys(row);
    const values = Object.values(row) as (string | number | null)[];
    table.run(`insert into keyring_keys (${columns.join()}) values (${columns.map(() => '?').join()})`, ...values);
  }
}

const DISAGREES = /^(?:undecryptable|context-mismatch|malformed-ciphertext)$/;
/** Returns the JWE with one of the four last characters that a tag may have, but not its own. */
const otherTag = (jwe: string | null): string => `${jwe?.slice(0, -1)}${jwe?.endsWith('A') ? 'Q' : 'A'}`;
const otherJwe = () => String(table.rows('fabrikam')[0]?.jwe);

describe('a row of branch keys encrypts nothing, opens nothing and is reported when it was given', () => {
  test.each<[string, (row: BranchRow) => void, RegExp]>([
    ['another epoch', ({ id }) => set('label', '2001-01-01T00:00:00Z', id), DISAGREES],
    ['another key', ({ id }) => set('vault_key', 'https://x.vault.azure.net/keys/y', id), DISAGREES],
    [
      'another key version',
      ({ id, kid }) =>
        set(
          'kid',
          kid.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
          id,
        ),
      DISAGREES,
    ],
    ["another tenant's JWE", ({ id }) => set('jwe', otherJwe(), id), DISAGREES],
    ['a JWE with another ciphertext', ({ id, jwe }) => set('jwe', otherTag(jwe), id), DISAGREES],
    ['a self-contained message as its JWE', ({ id, jwe }) => set('jwe', messageOf(jwe), id), DISAGREES],
    ['a compact message as its JWE', ({ id }) => set('jwe', `${compactStart}..AAAA.AAAA.AAAA`, id), DISAGREES],
    ['another tenant', ({ id }) => set('tenant_id', 'fabrikam', id), /^unknown-key branch-unknown$/],
    ['another id', ({ id }) => set('id', 'AAAAAAAAAAA', id), /^unknown-key branch-unknown$/],
    ['no JWE', ({ id }) => set('jwe', null, id), /^unknown-key branch-destroyed$/],
  ])('%s', async (_what, alter, refused) => {
    await encrypt(service, {}, 'fabrikam');
    await altered(alter, async (ciphertext, row) => {
      await using cold = await startWith(SETTINGS);
      expect(await decrypt(cold, ciphertext)).toMatch(refused);
      const next = await encrypt(cold);
      expect(await decrypt(cold, next)).toBe('a value');
      expect(isCompact(next) && branchIdOf(next) === row.id).toBe(false);
      const isReported = cold.logLines.some((line) => line.includes('does not match its JWE'));
      if (refused === DISAGREES) expect(isReported).toBe(true);
    });
  });
});

const compactStart = Buffer.from('{"alg":"dir","enc":"A256GCM","kid":"AAAAAAAAAAAAAAAAAAAAAA"}').toString('base64url');

/** Returns the JWE with the `typ` of a message in its header. */
function messageOf(jwe: string | null): string {
  const [header = '', ...rest] = (jwe ?? '').split('.');
  const text = Buffer.from(header, 'base64url').toString().replace('vaultspan-branch+jwe', 'vaultspan+jwe');
  return [Buffer.from(text).toString('base64url'), ...rest].join('.');
}

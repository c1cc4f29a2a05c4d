import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ClientSecretHomeCredential } from '../../../src/azure/home/home-credential.ts';
import type { SecretVersions } from '../../../src/azure/home/home-vault.ts';
import type { Emulator } from '../../../src/emulator/emulator.ts';
import { customerNamed, failureOf, startTrusted, VAULT_SCOPE } from '../../support/emulator-clients.ts';
import { TestClock } from '../../support/test-clock.ts';

const COOL_DOWN_SECONDS = 10;

let emulator: Emulator;
/** The secrets that Entra accepts. */
let good: { readonly value: string; readonly keyId: string };
let better: { readonly value: string; readonly keyId: string };
beforeAll(async () => {
  emulator = await startTrusted();
  good = await emulator.control.addAppSecret();
  better = await emulator.control.addAppSecret();
});
afterAll(() => emulator.close());

/** A home vault whose list of usable versions is set by hand, newest first. */
class ListedVault {
  values: readonly string[] = [];
  unusable: SecretVersions['unusable'] = [];
  reads = 0;

  async versions(name: string, limit: number): Promise<SecretVersions> {
    expect([name, limit]).toEqual(['app-secret', 2]);
    this.reads += 1;
    const usable = this.values.map((value) => ({
      version: `version of ${value}`,
      value,
      created: 0,
      expires: undefined,
    }));
    return { usable, unusable: this.unusable };
  }
}

let clock: TestClock;
let vault: ListedVault;
let rotations: string[];
let home: ClientSecretHomeCredential;
beforeEach(() => {
  clock = new TestClock();
  vault = new ListedVault();
  rotations = [];
  home = new ClientSecretHomeCredential({
    appId: emulator.appId,
    authorityHost: emulator.authorityHost,
    secretName: 'app-secret',
    vault,
    unsafeAllowEmulator: true,
    clock,
    onRotation: (version) => rotations.push(version),
  });
  emulator.control.clearRequests();
});

const signIn = (customer = 'contoso') =>
  home.signIn(customerNamed(emulator, customer).tenantId, VAULT_SCOPE, AbortSignal.timeout(10_000));
/** Returns Entra's answers to the token requests so far. */
const answers = () =>
  emulator.control
    .requests()
    .filter(({ operation }) => operation === 'token')
    .map(({ errorCode }) => errorCode ?? 'token');
const WRONG = 'AADSTS7000215';

describe('the app’s secret', () => {
  test('is the newest version, read at its first use', async () => {
    vault.values = [better.value, good.value];
    expect((await signIn()).token).toMatch(/^eyJ/);
    expect([vault.reads, answers()]).toEqual([1, ['token']]);
    expect(rotations).toEqual([`version of ${better.value}`]);
  });

  test('signs in anew each time, so that a refusal shows at once', async () => {
    vault.values = [good.value];
    await home.load();
    const [first, second] = [await signIn(), await signIn()];
    expect(first.token).not.toBe(second.token);
    expect(answers()).toEqual(['token', 'token']);
    expect(vault.reads).toBe(1);
  });

  test('that Entra does not know yet is skipped for the previous one, which is then preferred', async () => {
    vault.values = ['not registered yet', good.value];
    await signIn();
    expect(answers()).toEqual([WRONG, 'token']);
    await signIn();
    expect(answers()).toEqual([WRONG, 'token', 'token']);
    expect([vault.reads, rotations]).toEqual([1, [`version of ${good.value}`]]);
  });

  test('that was preferred and is deleted is replaced by the other one without a read', async () => {
    const leaving = await emulator.control.addAppSecret();
    vault.values = [leaving.value, good.value];
    await signIn();
    await emulator.control.removeAppSecret({ keyId: leaving.keyId });
    await signIn();
    expect([answers(), vault.reads]).toEqual([['token', WRONG, 'token'], 1]);
    expect(rotations).toEqual([`version of ${leaving.value}`, `version of ${good.value}`]);
  });

  test('that has expired at Entra is replaced too', async () => {
    const expiring = await emulator.control.addAppSecret();
    vault.values = [expiring.value, good.value];
    await emulator.control.expireAppSecret({ keyId: expiring.keyId });
    await signIn();
    expect(answers()).toEqual(['AADSTS7000222', 'token']);
  });
});

describe('when Entra rejects every known version', () => {
  beforeEach(async () => {
    vault.values = ['old'];
    await home.load();
  });

  test('the vault is read again, and the request continues with the result', async () => {
    vault.values = [better.value, 'old'];
    expect((await signIn()).token).toMatch(/^eyJ/);
    expect([answers(), vault.reads]).toEqual([[WRONG, 'token'], 2]);
  });

  test("and the vault has no other, the rejection is Entra's own", async () => {
    expect(await failureOf(signIn())).toMatchObject({ aadsts: 7000215 });
    expect([answers(), vault.reads]).toEqual([[WRONG], 2]);
  });

  test('the vault is not read again within the cool-down, and is after it', async () => {
    await failureOf(signIn());
    vault.values = [good.value];
    clock.advance(COOL_DOWN_SECONDS - 1);
    expect(await failureOf(signIn())).toMatchObject({ aadsts: 7000215 });
    expect(vault.reads).toBe(2);
    clock.advance(1);
    expect((await signIn()).token).toMatch(/^eyJ/);
    expect(vault.reads).toBe(3);
  });

  test('many concurrent sign-ins share one read, and none of them is lost', async () => {
    vault.values = [better.value];
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, index) => signIn(index % 2 === 0 ? 'contoso' : 'fabrikam')),
    );
    expect(tokens).toHaveLength(20);
    expect(vault.reads).toBe(2);
  });
});

describe('a refusal that does not concern the secret', () => {
  test('tries no other secret and reads nothing', async () => {
    vault.values = [better.value, good.value];
    expect(await failureOf(signIn('adatum'))).toMatchObject({ aadsts: 700016 });
    expect([answers(), vault.reads]).toEqual([['AADSTS700016'], 1]);
  });

  test('the same holds for an outage of Entra', async () => {
    vault.values = [better.value, good.value];
    await emulator.control.injectFault({ at: 'entra', operation: 'token', kind: 'status', status: 503 });
    await failureOf(signIn());
    await emulator.control.clearFaults();
    expect([answers().length, vault.reads]).toEqual([1, 1]);
  });
});

test('describe returns the unusable versions too, with the reason, even if none is usable', async () => {
  vault.unusable = [{ version: 'newest', created: 0, reason: 'expired' }];
  expect(await home.describe()).toMatchObject({ versions: [], unusable: [{ version: 'newest', reason: 'expired' }] });
  vault.values = [good.value];
  expect(await home.describe()).toMatchObject({
    versions: [{ version: `version of ${good.value}` }],
    unusable: [{ version: 'newest', reason: 'expired' }],
  });
});

test('a home vault without a usable secret is reported at once, with the owner of the fix', async () => {
  const expected = { code: 'home-credential-rejected', reason: 'secret-missing', fix: { owner: 'vendor' } };
  await expect(home.load()).rejects.toMatchObject(expected);
  await expect(signIn()).rejects.toMatchObject(expected);
  expect(answers()).toEqual([]);
  vault.values = [good.value];
  expect((await signIn()).token).toMatch(/^eyJ/);
});

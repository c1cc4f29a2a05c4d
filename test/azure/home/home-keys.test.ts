import { beforeEach, describe, expect, test } from '@jest/globals';
import { HomeKeys, newSecretKey } from '../../../src/azure/home/home-keys.ts';
import type { SecretVersions } from '../../../src/azure/home/home-vault.ts';
import { ServiceError } from '../../../src/errors.ts';
import { TestClock } from '../../support/test-clock.ts';

const COOL_DOWN_SECONDS = 10;
const FIRST = newSecretKey();
const SECOND = newSecretKey();

/** A home vault whose versions are set by hand, newest first. */
class ListedVault {
  usable: readonly string[] = [];
  disabled = 0;
  failure: Error | undefined;

  async versions(): Promise<SecretVersions> {
    if (this.failure) throw this.failure;
    return {
      usable: this.usable.map((value) => ({ version: value, value, created: 0, expires: undefined })),
      unusable: Array.from({ length: this.disabled }, () => ({ version: 'old', created: 0, reason: 'disabled' })),
    };
  }
}

let vault: ListedVault;
let clock: TestClock;
let told: string[];
let keys: HomeKeys;
beforeEach(() => {
  vault = new ListedVault();
  clock = new TestClock();
  told = [];
  const onTrouble = () => told.push('trouble');
  keys = new HomeKeys({ name: 'key', vault, clock, onTrouble, onRecovery: () => told.push('recovery') });
});

describe('at the start', () => {
  test.each([
    ['no version', [], 0, 'home-key-missing'],
    ['disabled versions only', [], 2, 'home-key-disabled'],
    ['a version that is no key', ['no key'], 0, 'home-key-malformed'],
  ])('%s is refused with the reason', async (_what, usable, disabled, reason) => {
    Object.assign(vault, { usable, disabled });
    await expect(keys.load()).rejects.toMatchObject({
      code: 'home-credential-rejected',
      reason,
      fix: { owner: 'vendor' },
    });
  });
});

describe('a reread', () => {
  beforeEach(async () => {
    vault.usable = [SECOND, FIRST];
    await keys.load();
    clock.advance(COOL_DOWN_SECONDS);
  });

  test('that finds fewer versions accepts only those', async () => {
    vault.usable = [SECOND];
    expect(await keys.reread()).toHaveLength(1);
    expect([keys.trouble(), told]).toEqual([undefined, []]);
  });

  test.each([
    ['every version disabled', () => Object.assign(vault, { usable: [], disabled: 2 }), 'home-key-disabled'],
    ['the secret deleted', () => Object.assign(vault, { usable: [] }), 'home-key-missing'],
    ['a version that is no key', () => Object.assign(vault, { usable: ['no key', FIRST] }), 'home-key-malformed'],
  ])('that finds %s keeps the keys, rejects, and reports it once', async (_what, change, reason) => {
    change();
    for (let time = 0; time < 3; time += 1) {
      await expect(keys.reread()).rejects.toMatchObject({ code: 'home-credential-rejected', reason });
      clock.advance(COOL_DOWN_SECONDS);
    }
    expect(keys.current()).toHaveLength(2);
    expect([keys.trouble(), told]).toEqual(['no version of key is usable', ['trouble']]);
  });

  test('that succeeds again ends the problem', async () => {
    Object.assign(vault, { usable: [], disabled: 1 });
    await expect(keys.reread()).rejects.toBeInstanceOf(ServiceError);
    Object.assign(vault, { usable: [FIRST], disabled: 0 });
    clock.advance(COOL_DOWN_SECONDS);
    expect(await keys.reread()).toHaveLength(1);
    expect([keys.trouble(), told]).toEqual([undefined, ['trouble', 'recovery']]);
  });

  test('that fails because of an outage rejects with it, and is no problem of the keys', async () => {
    vault.failure = new ServiceError('vault-unavailable', 'away');
    await expect(keys.reread()).rejects.toMatchObject({ code: 'vault-unavailable' });
    expect([keys.current().length, keys.trouble()]).toEqual([2, undefined]);
  });
});

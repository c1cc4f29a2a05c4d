import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Control } from '../../src/emulator/control/control.ts';
import type { Fault } from '../../src/emulator/faults.ts';
import { addCustomers, changeTenant } from '../support/customers.ts';
import { type Callee, opening, resealing, type Sealed, seal, sealing, streamsAcross } from '../support/data-calls.ts';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { ways } from '../support/ways-to-refuse.ts';

/**
 * Every way to revoke access, and every outage that must not count as one, × every call × warm and
 * cold.
 */

const BOUND_SECONDS = 300;
/** Causes that forbid only new uses, such as an expiry, are noticed when the key is read again. */
const REREAD_SECONDS = 900;
/**
 * After a refusal one request in 10 s checks again; for a version that never existed, one in 60 s.
 */
const PAST_THE_PROBE_SECONDS = 61;
/** Keys are generated, which takes long on a busy machine. */

interface Row {
  readonly refuse: (control: Control, name: string) => Promise<void>;
  readonly restore: (control: Control, name: string) => Promise<void>;
  /** The answers to sealing and opening, once the bound is over. */
  readonly seal: string;
  readonly open: string;
  /** The same for a process that has never called this customer's Azure. */
  readonly cold?: string;
}

const fault = (where: (name: string) => Pick<Fault, 'at' | 'operation'>, kind: Omit<Fault, 'at'>) => ({
  refuse: (control: Control, name: string) => control.injectFault({ ...where(name), ...kind }),
  restore: (control: Control) => control.clearFaults(),
});
const atVault = (at: string) => ({ at });
const atEntra = () => ({ at: 'entra', operation: 'token' });

const revoked = Object.entries(ways).map(([name, { refuse, restore, encrypt, decrypt }]): [string, Row] => [
  name,
  {
    refuse,
    restore,
    seal: `access-revoked ${encrypt.reason}`,
    open: decrypt ? `access-revoked ${decrypt.reason}` : 'ok',
  },
]);
const away = (code: string) => ({ seal: code, open: code });
const troubles: readonly [string, Row][] = [
  [
    'deleted-vault',
    {
      refuse: (control, vault) => control.deleteVault({ vault }),
      restore: (control, vault) => control.restoreVault({ vault }),
      ...away('vault-unavailable'),
    },
  ],
  ['vault-503', { ...fault(atVault, { kind: 'status', status: 503 }), ...away('vault-unavailable') }],
  ['vault-429', { ...fault(atVault, { kind: 'status', status: 429 }), ...away('vault-throttled') }],
  // The cached token works while it is valid, because the vault itself still allows us.
  [
    'entra-503',
    { ...fault(atEntra, { kind: 'status', status: 503 }), ...away('ok'), cold: 'identity-unavailable transient' },
  ],
];
const rows: readonly [string, Row][] = [...revoked, ...troubles];

let service: TestService;
let warm: Callee;
/** A process that has not signed in yet. */
let cold: Callee;
let other: SecondProcess;
let token: string;
/** Renews the token: the clock moves by days, and no token may be valid for more than one. */
async function renewToken(): Promise<void> {
  token = await service.emulator.issueCallerToken({
    roles: ['Data.Encrypt', 'Data.Decrypt'],
    expiresInSeconds: 86_400,
  });
}
beforeEach(renewToken);
beforeAll(async () => {
  service = await startService();
  await addCustomers(service, [...rows.map(([name]) => name), 'suspended', 'version']);
  other = await startSecondProcess(service);
  await renewToken();
  // The SDK checks expiry by the machine's clock, and the test's clock is days ahead: here only age
  // replaces a token.
  await service.emulator.control.setTokenLifetime({ seconds: 864_000 });
  warm = { url: service.url, post: service.post, token: () => token };
  cold = { url: other.url, post: other.post, token: () => token };
});
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const calls = { ...sealing, ...opening, ...resealing };
type Told = Readonly<Record<string, string>>;
const each = (names: object, told: string): Told => Object.fromEntries(Object.keys(names).map((name) => [name, told]));
const toldOfAll = ({ seal: sealed, open }: Pick<Row, 'seal' | 'open'>): Told => ({
  ...each(sealing, sealed),
  ...each(opening, open),
  ...each(resealing, open === 'ok' ? sealed : open),
});
const allOk = each(calls, 'ok');

/** Makes each call separately: `between` makes it find the change anew. */
async function askEach(
  callee: Callee,
  tenant: string,
  sealed: Sealed,
  { before, after }: { readonly before?: () => Promise<void>; readonly after?: () => Promise<void> } = {},
): Promise<Told> {
  const told: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    await before?.();
    told[name] = await call(callee, tenant, sealed);
    await after?.();
  }
  return told;
}

describe.each(rows)('%s', (name, row) => {
  const bound = row.open === 'ok' && row.seal !== 'ok' ? REREAD_SECONDS : BOUND_SECONDS;
  let sealed: Sealed;
  beforeAll(async () => {
    sealed = await seal(warm, name);
  });
  const refuse = () => row.refuse(service.emulator.control, name);
  const restore = async () => {
    await row.restore(service.emulator.control, name);
    service.clock.advance(PAST_THE_PROBE_SECONDS);
  };

  test('is reported to every cold call, and every one works after restoring', async () => {
    await refuse();
    const expected = row.cold === undefined ? row : { seal: row.cold, open: row.cold };
    const after = async () => service.clock.advance(PAST_THE_PROBE_SECONDS);
    expect(await askEach(cold, name, sealed, { after })).toEqual(toldOfAll(expected));
    await restore();
    expect(await askEach(cold, name, sealed)).toEqual(allOk);
  });

  test('is reported to every warm call within the bound, and every one works after restoring', async () => {
    const before = async () => {
      await refuse();
      service.clock.advance(bound);
    };
    expect(await askEach(warm, name, sealed)).toEqual(allOk);
    expect(await askEach(warm, name, sealed, { before, after: restore })).toEqual(toldOfAll(row));
    expect(await askEach(warm, name, sealed)).toEqual(allOk);
  });

  test('cuts running streams if new ones would not begin, and after restoring they continue', async () => {
    const told = row.open === 'ok' ? 'ok' : 'cut';
    const across = await streamsAcross(warm, name, sealed, async () => {
      await refuse();
      service.clock.advance(bound);
    });
    expect(across).toEqual({ encrypt: told, decrypt: told });
    await restore();
    expect(await streamsAcross(warm, name, sealed, async () => service.clock.advance(BOUND_SECONDS))).toEqual({
      encrypt: 'ok',
      decrypt: 'ok',
    });
  });
});

/** Returns the key version that a message names. */
const versionOf = ({ ciphertext }: Sealed): string => {
  const [header = ''] = ciphertext.split('.');
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { readonly kid: string };
  return kid.slice(-32);
};

test('a disabled version affects its own messages, and none of another version', async () => {
  const { control } = service.emulator;
  const of = { vault: 'version', key: 'data' };
  const first = await seal(warm, 'version');
  await control.rotateKey(of);
  service.clock.advance(REREAD_SECONDS);
  const second = await seal(warm, 'version');
  const toldOfOpening = async (callee: Callee, sealed: Sealed) =>
    [...new Set(await Promise.all(Object.values(opening).map((call) => call(callee, 'version', sealed))))].join();
  const refused = 'access-revoked key-disabled';
  for (const [sealed, untouched] of [
    [first, second],
    [second, first],
  ] as const) {
    const order = { ...of, version: versionOf(sealed) };
    await control.disableKey(order);
    service.clock.advance(BOUND_SECONDS);
    for (const callee of [warm, cold]) {
      expect([await toldOfOpening(callee, sealed), await toldOfOpening(callee, untouched)]).toEqual([refused, 'ok']);
    }
    await control.enableKey(order);
    service.clock.advance(PAST_THE_PROBE_SECONDS);
    for (const callee of [warm, cold]) expect(await toldOfOpening(callee, sealed)).toBe('ok');
  }
});

test('a suspended tenant is refused on every call and on running streams, at once, until it is resumed', async () => {
  const sealed = await seal(warm, 'suspended');
  const become = (state: string) => changeTenant(service, 'suspended', (tenant) => ({ ...tenant, state }));
  expect(await askEach(warm, 'suspended', sealed)).toEqual(allOk);
  const across = await streamsAcross(warm, 'suspended', sealed, async () => {
    await become('suspended');
    service.clock.advance(1);
  });
  expect(across).toEqual({ encrypt: 'cut', decrypt: 'cut' });
  expect(await askEach(warm, 'suspended', sealed)).toEqual(each(calls, 'tenant-suspended'));
  await become('active');
  expect(await askEach(warm, 'suspended', sealed)).toEqual(allOk);
});

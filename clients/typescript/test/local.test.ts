// Local mode: what the client seals and opens in its own process, under leases of a service on loopback.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Vaultspan, VaultspanError, type VaultspanOptions } from '../src/index.ts';
import { problem, sendJson } from './support/fake-service.ts';
import { type LeaseService, startLeaseService } from './support/lease-service.ts';

let service: LeaseService;
let clients: Vaultspan[];
/** The clients' clocks, which only tests move: both for time that passes, one for a machine that slept or was set. */
let moved: { monotonic: number; wall: number };

beforeEach(async () => {
  service = await startLeaseService();
  clients = [];
  moved = { monotonic: 1_000_000, wall: 1_700_000_000_000 };
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await service.close();
});

const time = { monotonicMs: () => moved.monotonic, wallMs: () => moved.wall };
const pass = (seconds: number) => {
  moved.monotonic += seconds * 1000;
  moved.wall += seconds * 1000;
};

function contoso(local: VaultspanOptions['local'] = 'required') {
  const client = new Vaultspan({ url: service.url, token: 't', local, timeoutMs: 60_000 }, time);
  clients.push(client);
  return client.tenant('contoso');
}

const refusal = (code: string) => (error: unknown) => error instanceof VaultspanError && error.code === code;
const context = { table: 'users', id: '17' };
const sealedHeader = (ciphertext: string) => ciphertext.slice(0, 80);
const reportsOf = (lease: string) => service.reports.get(lease) ?? [];

describe('a lease', () => {
  it('seals and opens without further calls', async () => {
    const tenant = contoso();
    const sealed = await Promise.all(Array.from({ length: 100 }, (_, at) => tenant.encrypt(String(at), { context })));
    const opened = await Promise.all(sealed.map((one) => tenant.decrypt(one, { context })));
    assert.deepEqual(opened.map((one) => one.text()), sealed.map((_, at) => String(at)));
    assert.equal(new Set(sealed).size, 100);
    assert.deepEqual(service.seen.map(({ url }) => url), ['/tenants/contoso/leases']);
  });

  it('refuses altered messages, other contexts and swapped fields', async () => {
    const tenant = contoso();
    const sealed = await tenant.encrypt('a', { context });
    const row = await tenant.encryptFields({ a: '1', b: '2' }, { context });
    await assert.rejects(tenant.decrypt(sealed), refusal('undecryptable'));
    await assert.rejects(tenant.decrypt(sealed.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')), { context }), VaultspanError);
    await assert.rejects(tenant.decryptFields({ a: row.b, b: row.a }, { context }), refusal('undecryptable'));
    await assert.rejects(tenant.decrypt(row.a, { context }), refusal('undecryptable'));
    assert.deepEqual(await tenant.decryptFields(row, { context }), { a: '1', b: '2' });
  });

  it('is opened by another process, once per leaf, for values and for fields', async () => {
    const [writer, reader] = [contoso(), contoso()];
    const value = await writer.encrypt('a', { context });
    const rows = await Promise.all(Array.from({ length: 20 }, () => writer.encryptFields({ email: 'ann' }, { context })));
    const opened = await Promise.all(rows.map((row) => reader.decryptFields(row, { context })));
    assert.ok(opened.every(({ email }) => email === 'ann'));
    assert.equal((await reader.decrypt(value, { context })).text(), 'a');
    assert.equal(service.count('leases/open'), 1);
  });

  it('whose first message does not open says nothing of the next', async () => {
    const sealed = await contoso().encrypt('a', { context });
    const reader = contoso();
    const [bad, good] = await Promise.allSettled([reader.decrypt(sealed), reader.decrypt(sealed, { context })]);
    assert.equal(bad.status, 'rejected');
    assert.equal(good.status === 'fulfilled' && good.value.text(), 'a');
  });

  it('ends at its end, though the machine was set an hour back', async () => {
    const tenant = contoso();
    const sealed = await tenant.encrypt('a');
    service.refusal = problem(403, 'access-revoked');
    assert.equal((await tenant.decrypt(sealed)).text(), 'a');
    moved.monotonic += 300_000;
    await assert.rejects(tenant.encrypt('a'), refusal('access-revoked'));
    await assert.rejects(tenant.decrypt(sealed), refusal('access-revoked'));
  });

  it('does not outlive a machine that slept', async () => {
    const tenant = contoso();
    const sealed = await tenant.encrypt('a');
    service.refusal = problem(403, 'access-revoked');
    moved.wall += 60_000;
    await assert.rejects(tenant.decrypt(sealed), refusal('access-revoked'));
    moved.wall -= 60_000;
    await assert.rejects(tenant.encrypt('a'), refusal('access-revoked'));
  });

  for (const [hours, name] of [[1, 'forward'], [-1, 'back']] as const) {
    it(`is taken anew when the machine's clock is set an hour ${name}`, async () => {
      const tenant = contoso();
      const sealed = await tenant.encrypt('a');
      moved.wall += hours * 3_600_000;
      await tenant.encrypt('b');
      assert.equal((await tenant.decrypt(sealed)).text(), 'a');
      await tenant.encrypt('c');
      assert.deepEqual([service.count('leases'), service.count('leases/open')], [2, 1]);
    });
  }

  it('has fields of any name but one, and values of any length', async () => {
    const tenant = contoso();
    const record = { constructor: '', toString: 'ann', hasOwnProperty: 'x'.repeat(300_000), 'naïve 🗝': '\u0000' };
    const row = await tenant.encryptFields(record, { context });
    assert.deepEqual(await tenant.decryptFields(row, { context }), record);
    assert.equal((await tenant.decrypt(await tenant.encrypt(new Uint8Array()))).bytes.length, 0);
    await assert.rejects(tenant.encryptFields(JSON.parse('{"__proto__":"a"}')), refusal('malformed-request'));
    await assert.rejects(tenant.encryptFields({ a: '\udc00' }), /^TypeError: a has a lone surrogate/);
    await assert.rejects(tenant.encryptFields({ '\udc00': 'a' }), refusal('malformed-request'));
    await assert.rejects(tenant.encrypt('a', { context: { id: '\udc00' } }), refusal('malformed-request'));
    for (const text of ['', '.', '....', sealedHeader(row.toString)]) await assert.rejects(tenant.decrypt(text), VaultspanError, text);
  });

  it('is renewed ahead, while the old one seals', async () => {
    const tenant = contoso();
    const first = sealedHeader(await tenant.encrypt('a'));
    pass(270);
    assert.equal(sealedHeader(await tenant.encrypt('b')), first);
    while (sealedHeader(await tenant.encrypt('c')) === first) await sleep(10);
    assert.equal(service.count('leases'), 2);
  });

  it('serves until its end while the service is down', async () => {
    const tenant = contoso();
    await tenant.encrypt('a');
    service.refusal = problem(503, 'draining', { retryAfter: 0 });
    pass(290);
    assert.match(await tenant.encrypt('b'), /^eyJ/);
    pass(20);
    await assert.rejects(tenant.encrypt('c'), refusal('draining'));
  });

  it('is followed by another where its messages or bytes are used up', async () => {
    service.terms.maxMessages = 2;
    service.terms.maxBytes = 100;
    const tenant = contoso();
    for (const text of ['a', 'b', 'c', 'x'.repeat(99), 'y']) await tenant.encrypt(text);
    assert.equal(service.count('leases'), 3);
  });

  it('asks for the context that the tenant requires', async () => {
    service.terms.requiredContext = ['table'];
    await assert.rejects(contoso().encrypt('a'), refusal('malformed-request'));
    assert.match(await contoso().encrypt('a', { context }), /^eyJ/);
  });
});

describe('limits of a lease', () => {
  it('hold for those who waited for it together', async () => {
    service.terms.maxMessages = 2;
    const tenant = contoso();
    const sealed = await Promise.all(Array.from({ length: 10 }, (_, at) => tenant.encrypt(String(at))));
    await clients[0]?.close();
    assert.equal(new Set(sealed).size, 10);
    const counts = [...service.reports.values()].flat().map((report) => report.sealed);
    assert.deepEqual(counts, [2, 2, 2, 2, 2]);
  });

  it('hold for one value that is larger: the service encrypts it', async () => {
    service.terms.maxBytes = 100;
    assert.equal(await contoso(true).encrypt('x'.repeat(101)), 'remote');
    await assert.rejects(contoso().encrypt('x'.repeat(101)), refusal('local-refused'));
  });

  it('leave what the service could not decrypt to the service', async () => {
    service.terms.maxBytes = 10_000_000;
    const largest = 'x'.repeat(1_048_576);
    const tenant = contoso();
    assert.match(await tenant.encrypt(largest), /^eyJ/);
    await assert.rejects(tenant.encrypt(`${largest}x`), /^VaultspanError: local-refused: .*Use encryptStream/);
    await assert.rejects(tenant.encryptFields({ a: largest, b: 'x' }), refusal('local-refused'));
    assert.equal(await contoso(true).encrypt(`${largest}x`), 'remote');
  });

  it('tell how much the service decrypts, whatever the client was told', async () => {
    service.terms.maxPlaintextBytes = 10;
    const tenant = contoso();
    assert.match(await tenant.encrypt('x'.repeat(10)), /^eyJ/);
    await assert.rejects(tenant.encrypt('x'.repeat(11)), /^VaultspanError: local-refused: .*more than 10 bytes/);
    await assert.rejects(tenant.encryptFields({ a: '12345', b: '123456' }), refusal('local-refused'));
    await clients[0]?.close();
    assert.deepEqual(reportsOf('lease-1').map(({ sealed, bytes }) => [sealed, bytes]), [[1, 10]]);
    service.terms.maxPlaintextBytes = 3_000_000;
    service.terms.maxBytes = 10_000_000;
    assert.match(await contoso().encrypt('x'.repeat(2_000_000)), /^eyJ/);
  });

  it('count nothing that was refused', async () => {
    service.terms.requiredContext = ['table'];
    const tenant = contoso();
    await assert.rejects(tenant.encrypt('a'), refusal('malformed-request'));
    await assert.rejects(tenant.encryptFields({ a: '1' }), refusal('malformed-request'));
    await tenant.encrypt('abc', { context });
    await clients[0]?.close();
    assert.deepEqual(reportsOf('lease-1').map(({ sealed, bytes }) => [sealed, bytes]), [[1, 3]]);
  });
});

describe('trouble with leases', () => {
  for (const [status, code] of [[503, 'registry-unavailable'], [429, 'caller-throttled']] as const) {
    it(`that pass, ${status}, have the service encrypt and decrypt at once`, async () => {
      const sealed = await contoso().encrypt('a');
      service.refusal = problem(status, code, { retryAfter: 0 });
      const tenant = contoso(true);
      const before = service.count('leases');
      assert.equal(await tenant.encrypt('a'), 'remote');
      assert.equal((await tenant.decrypt(sealed)).text(), 'remote');
      assert.deepEqual([service.count('leases') - before, service.count('leases/open')], [1, 1]);
      await assert.rejects(contoso().encrypt('a'), refusal(code));
    });
  }

  it('such as an answer without a key is no lease', async () => {
    const { answer } = service;
    service.answer = (seen, response, request) => {
      if (seen.url.endsWith('/leases')) sendJson(response, 200, { leaseId: 'l', kid: 'k', key: '', expiresInSeconds: 300, maxMessages: 9, maxBytes: 9 });
      else return answer(seen, response, request);
    };
    await assert.rejects(contoso().encrypt('a'), refusal('unexpected-answer'));
    assert.equal(await contoso(true).encrypt('a'), 'remote');
  });
});

describe('input', () => {
  it('is refused as it is without leases', async () => {
    const tenant = contoso();
    await assert.rejects(tenant.encrypt('a', { context: { id: 7 } as never }), /^TypeError: context\.id is a number/);
    await assert.rejects(tenant.decrypt(undefined as never), /^TypeError: ciphertext is/);
    await assert.rejects(tenant.encrypt('a', { timeoutMs: 0 }), /timeoutMs must/);
    assert.equal(service.seen.length, 0);
  });
});

describe('what is not leased', () => {
  it('goes by the service, which is not asked for leases again at once', async () => {
    service.refusal = problem(409, 'key-use', { reason: 'leases-off' });
    const tenant = contoso(true);
    assert.deepEqual([await tenant.encrypt('a'), await tenant.encrypt('a')], ['remote', 'remote']);
    assert.deepEqual(await tenant.encryptFields({ a: '1' }), { a: 'cmVtb3Rl' });
    assert.equal(service.count('leases'), 1);
    service.refusal = undefined;
    pass(61);
    assert.match(await tenant.encrypt('a'), /^eyJ/);
  });

  it('fails where local is required', async () => {
    service.refusal = problem(409, 'key-use', { reason: 'leases-off' });
    await assert.rejects(contoso().encrypt('a'), refusal('key-use'));
    await assert.rejects(contoso().decrypt('eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.a.b.c.d'), refusal('local-refused'));
    assert.equal(service.count('encrypt') + service.count('decrypt'), 0);
  });

  it('such as a message of the service itself is opened by the service', async () => {
    assert.equal((await contoso(true).decrypt('eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.a.b.c.d')).text(), 'remote');
    const kid = Buffer.alloc(16, 1).toString('base64url');
    const own = `${Buffer.from(`{"alg":"dir","enc":"A256GCM","kid":"${kid}"}`).toString('base64url')}..AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA`;
    assert.equal((await contoso(true).decrypt(own)).text(), 'remote');
    assert.equal(service.count('leases/open'), 0);
  });
});

describe('closing', () => {
  /** Holds the answers to requests for leases back until the function that it returns is called. */
  const holdLeases = () => {
    const { answer } = service;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    service.answer = async (seen, response, request) => {
      if (seen.url.endsWith('/leases') || seen.url.endsWith('/open')) await released;
      return answer(seen, response, request);
    };
    return release;
  };

  it('waits for a renewal, and reports the new lease too', async () => {
    const tenant = contoso();
    await tenant.encrypt('a');
    const release = holdLeases();
    pass(270);
    await tenant.encrypt('b');
    while (service.count('leases') < 2) await sleep(5);
    const closing = clients[0]?.close();
    setTimeout(release, 50);
    await closing;
    assert.deepEqual([...service.reports].map(([lease, [report]]) => [lease, report?.sealed, report?.isFinal]), [['lease-1', 2, true], ['lease-2', 0, true]]);
  });

  it('waits for leases of callers who gave up, and reports them', async () => {
    const release = holdLeases();
    const tenant = contoso();
    const controller = new AbortController();
    const work = tenant.encrypt('a', { signal: controller.signal });
    while (service.count('leases') < 1) await sleep(5);
    controller.abort(new Error('no longer'));
    await assert.rejects(work, /no longer/);
    await assert.rejects(tenant.encrypt('a', { signal: controller.signal }), /no longer/);
    const closing = Promise.all([clients[0]?.close(), clients[0]?.close()]);
    await assert.rejects(tenant.encrypt('a'), refusal('closed'));
    setTimeout(release, 50);
    await closing;
    assert.deepEqual([...service.reports.keys()], ['lease-1']);
  });

  it('with 10,000 calls under way has each of them done, and counted once', async () => {
    service.terms.maxMessages = 20_000;
    const tenant = contoso();
    const work = Promise.all(Array.from({ length: 10_000 }, (_, at) => tenant.encrypt(String(at))));
    await clients[0]?.close();
    assert.equal(new Set(await work).size, 10_000);
    assert.deepEqual([...service.reports.values()].flat().map(({ sealed }) => sealed), [10_000]);
  });
});

describe('usage', () => {
  it('is reported finally when the client closes', async () => {
    const tenant = contoso();
    const sealed = await tenant.encrypt('abc');
    await tenant.encryptFields({ a: '1', b: '22' });
    await tenant.decrypt(sealed);
    await clients[0]?.close();
    const [report, ...more] = reportsOf('lease-1');
    assert.deepEqual(more, []);
    assert.deepEqual({ ...report, opened: Object.values(report?.opened ?? {}) }, { sealed: 3, opened: [1], bytes: 9, isFinal: true });
    await assert.rejects(tenant.encrypt('a'), refusal('closed'));
  });

  it('is reported when a lease ends', async () => {
    const tenant = contoso();
    await tenant.encrypt('a');
    pass(301);
    while (reportsOf('lease-1').length === 0) await sleep(20);
    assert.deepEqual(reportsOf('lease-1'), [{ sealed: 1, opened: {}, bytes: 1, isFinal: true }]);
  });

  it('of a process that only reads is reported with a lease taken for it', async () => {
    const sealed = await contoso().encrypt('abc');
    await contoso().decrypt(sealed);
    await clients[1]?.close();
    const [report] = reportsOf('lease-2');
    assert.deepEqual([report?.sealed, Object.values(report?.opened ?? {}), report?.bytes], [0, [1], 3]);
  });

  it('of a process that only reads is reported in good time, and by a new lease', async () => {
    const sealed = await contoso().encrypt('abc');
    const reader = contoso();
    service.terms.expiresInSeconds = 3_600;
    await reader.decrypt(sealed);
    pass(301);
    while (reportsOf('lease-2').length === 0) await sleep(20);
    assert.deepEqual(reportsOf('lease-2').map(({ opened, isFinal }) => [Object.values(opened), isFinal]), [[[1], true]]);
  });

  it('that could not be reported is reported later', async () => {
    const tenant = contoso();
    await tenant.encrypt('a');
    const { answer } = service;
    let refused = 0;
    service.answer = (seen, response, request) => {
      if (!seen.url.endsWith('/usage') || ++refused > 1) return answer(seen, response, request);
      sendJson(response, 503, problem(503, 'draining', { retryAfter: 60 }));
    };
    pass(301);
    while (refused === 0) await sleep(20);
    while (reportsOf('lease-1').length === 0) {
      pass(10); // the client counts its pause from the moment at which it reads the refusal
      await sleep(20);
    }
    assert.deepEqual(reportsOf('lease-1'), [{ sealed: 1, opened: {}, bytes: 1, isFinal: true }]);
  });

  it('of many users makes room for others once their leases ended', async () => {
    const client = new Vaultspan({ url: service.url, token: 't', local: 'required', timeoutMs: 60_000 }, time);
    clients.push(client);
    const user = (at: number) => client.tenant('contoso', { access: { subject: `user-${at}` } });
    for (let at = 0; at < 1_000; at += 100) await Promise.all(Array.from({ length: 100 }, (_, more) => user(at + more).encrypt('a')));
    await assert.rejects(user(1_000).encrypt('a'), refusal('local-refused'));
    pass(301);
    let sealed: string | undefined;
    while (sealed === undefined) {
      pass(10);
      await sleep(50);
      sealed = await user(1_001).encrypt('a').catch(() => undefined);
    }
    assert.match(sealed, /^eyJ/);
  });
});

// What the client does whatever the service answers: against a server on loopback that answers as each test says.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Plaintext, Vaultspan, VaultspanError } from '../src/index.ts';
import { echo, type FakeService, problem, sendJson, startFakeService } from './support/fake-service.ts';

let fake: FakeService;
let client: Vaultspan;

beforeEach(async () => {
  fake = await startFakeService();
  client = new Vaultspan({ url: fake.url, token: 'secret-token', timeoutMs: 60_000 });
});

afterEach(async () => {
  await client.close();
  await fake.close();
});

const failure = (work: Promise<unknown>): Promise<VaultspanError> =>
  work.then(
    () => assert.fail('succeeded'),
    (error: unknown) => (error instanceof VaultspanError ? error : assert.fail(String(error))),
  );

describe('calls of one turn', () => {
  it('travel as one batch, each with its own result', async () => {
    const contoso = client.tenant('contoso');
    const sealed = await Promise.all(['a', 'b', 'c'].map((text) => contoso.encrypt(text)));
    assert.deepEqual(sealed, ['a', 'b', 'c'].map((text) => `sealed:${Buffer.from(text).toString('base64')}`));
    assert.deepEqual(fake.seen.map(({ url }) => url), ['/tenants/contoso/batch/encrypt']);
  });

  it('of another tenant, operation or access are another batch', async () => {
    await Promise.allSettled([
      client.tenant('contoso').encrypt('a'),
      client.tenant('contoso').encrypt('b'),
      client.tenant('fabrikam').encrypt('a'),
      client.tenant('contoso', { access: { subject: 'Jürgen' } }).encrypt('a'),
      client.tenant('contoso').encrypt('a', { access: { subject: 'Jürgen' } }),
    ]);
    const seen = fake.seen.map(({ url, headers }) => `${url} ${headers['access-subject'] ?? ''}`).sort();
    assert.deepEqual(seen, [
      '/tenants/contoso/batch/encrypt ',
      '/tenants/contoso/batch/encrypt J%C3%BCrgen',
      '/tenants/fabrikam/encrypt ',
    ]);
  });

  it('are split at the limits of items and bytes', async () => {
    const small = new Vaultspan({ url: fake.url, token: 't', batch: { maxItems: 2, maxBytes: 10 } }).tenant('contoso');
    await Promise.all(['1', '2', '3', 'six666', 'six666'].map((text) => small.encrypt(text)));
    assert.deepEqual(fake.seen.map(({ body }) => body.items?.length ?? 1).sort(), [1, 2, 2]);
  });

  it('travel singly where batches are off', async () => {
    const single = new Vaultspan({ url: fake.url, token: 't', batch: false }).tenant('contoso');
    await Promise.all([single.encrypt('a'), single.encrypt('b')]);
    assert.deepEqual(fake.seen.map(({ url }) => url), ['/tenants/contoso/encrypt', '/tenants/contoso/encrypt']);
  });

  it('fail by themselves: an item refuses its own promise only', async () => {
    fake.answer = ({ body }, response) =>
      sendJson(response, 200, {
        items: body.items?.map((_, at) => (at === 1 ? { error: problem(422, 'unknown-key') } : { ciphertext: 'c', keyId: 'k' })),
      });
    const contoso = client.tenant('contoso');
    const settled = await Promise.allSettled(['a', 'b', 'c'].map((text) => contoso.encrypt(text)));
    assert.deepEqual(settled.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled']);
    assert.equal((settled[1] as PromiseRejectedResult).reason.code, 'unknown-key');
  });

  it('are 10,000 at once in few requests', async () => {
    const contoso = client.tenant('contoso');
    const sealed = await Promise.all(Array.from({ length: 10_000 }, (_, at) => contoso.encrypt(String(at), { timeoutMs: 60_000 })));
    assert.equal(new Set(sealed).size, 10_000);
    assert.equal(fake.seen.length, 10);
  });

  it('that are cancelled leave the others alone', async () => {
    const controller = new AbortController();
    const contoso = client.tenant('contoso');
    const [cancelled, other] = [contoso.encrypt('a', { signal: controller.signal }), contoso.encrypt('b')];
    controller.abort(new Error('no longer'));
    await assert.rejects(cancelled, /no longer/);
    assert.match(await other, /^sealed:/);
  });

  it('that share a signal are cancelled together, before, during and after their time', async () => {
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown) => warnings.push(warning);
    process.on('warning', onWarning);
    const controller = new AbortController();
    const { signal } = controller;
    const contoso = client.tenant('contoso');
    const all = () => Array.from({ length: 2_000 }, (_, at) => contoso.encrypt(String(at), { signal, timeoutMs: 60_000 }));
    await Promise.all(all());
    fake.answer = () => controller.abort(new Error('no longer')); // while all wait for the first answer
    const during = Promise.allSettled(all());
    const reasons = [...(await during), ...(await Promise.allSettled(all()))].map((one) => (one as PromiseRejectedResult).reason.message);
    assert.deepEqual([reasons.length, new Set(reasons)], [4_000, new Set(['no longer'])]);
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });

  it('that are all cancelled end the request', async () => {
    const controller = new AbortController();
    const closed = new Promise<void>((resolve) => {
      fake.answer = (_seen, response) => {
        response.on('close', resolve);
        controller.abort(new Error('no longer')); // once the request is there: one that never came would not close either
      };
    });
    const work = client.tenant('contoso').encrypt('a', { signal: controller.signal });
    await assert.rejects(work, /no longer/);
    await closed;
  });
});

describe('a failure', () => {
  it('is an error with the members of the problem', async () => {
    const fix = { owner: 'customer-admin', action: 'Grant the role.', command: 'az role …' };
    fake.answer = (_seen, response) =>
      sendJson(response, 403, problem(403, 'access-revoked', { reason: 'role-missing', fix, errors: [{ pointer: '/x', detail: 'y' }] }));
    const error = await failure(client.tenant('contoso').encrypt('a'));
    assert.deepEqual(
      [error.code, error.status, error.reason, error.fix, error.requestId, error.isRetryable, error.errors.length],
      ['access-revoked', 403, 'role-missing', fix, 'r-1', false, 1],
    );
    assert.equal(error.message, 'access-revoked: Because. Grant the role.');
    fake.answer = (_seen, response) => sendJson(response, 403, { ...problem(403, 'access-revoked', { fix }), detail: 'The role is missing' });
    assert.equal((await failure(client.tenant('contoso').encrypt('a'))).message, 'access-revoked: The role is missing. Grant the role.');
    assert.equal(fake.seen.length, 2, 'a refusal is not tried again');
  });

  for (const status of [429, 503]) {
    it(`of ${status} is tried again after Retry-After`, async () => {
      fake.answer = (seen, response) => {
        if (fake.seen.length === 1) sendJson(response, status, problem(status, 'overloaded'), { 'Retry-After': '0' });
        else echo(seen, response);
      };
      assert.match(await client.tenant('contoso').encrypt('a'), /^sealed:/);
      assert.equal(fake.seen.length, 2);
    });
  }

  it('of some items is tried again with those together', async () => {
    fake.answer = ({ body }, response) => {
      const isFirst = fake.seen.length === 1;
      sendJson(response, 200, {
        items: body.items?.map((_, at) =>
          isFirst && at > 0 ? { error: problem(503, 'vault-unavailable', { retryAfter: 0 }) } : { ciphertext: `c${at}`, keyId: 'k' },
        ),
      });
    };
    const contoso = client.tenant('contoso');
    assert.deepEqual(await Promise.all(['a', 'b', 'c'].map((text) => contoso.encrypt(text))), ['c0', 'c0', 'c1']);
    assert.deepEqual(fake.seen.map(({ body }) => body.items?.length), [3, 2]);
  });

  it('whose Retry-After is beyond the deadline is given at once', async () => {
    fake.answer = (_seen, response) => sendJson(response, 503, problem(503, 'draining'), { 'Retry-After': '60' });
    const error = await failure(client.tenant('contoso').encrypt('a', { timeoutMs: 59_000 }));
    assert.deepEqual([error.code, error.isRetryable, error.retryAfterMs], ['draining', true, 60_000]);
    assert.equal(fake.seen.length, 1);
  });

  it('of 500 is not tried again', async () => {
    fake.answer = (_seen, response) => sendJson(response, 500, problem(500, 'internal'));
    assert.equal((await failure(client.tenant('contoso').encrypt('a'))).code, 'internal');
    assert.equal(fake.seen.length, 1);
  });

  it('of a connection that breaks is tried again, and is unreachable in the end', async () => {
    fake.answer = (seen, response) => {
      if (fake.seen.length === 1) response.destroy();
      else echo(seen, response);
    };
    assert.match(await client.tenant('contoso').encrypt('a'), /^sealed:/);
    fake.answer = (_seen, response) => void response.destroy();
    const error = await failure(client.tenant('contoso').encrypt('a', { timeoutMs: 60_000 }));
    assert.equal(error.code, 'unreachable');
  });

  it('of a service that restarts amid batches is not seen', async () => {
    fake.answer = ({ url }) => {
      assert.match(url, /batch/);
      fake.answer = echo;
      fake.restart(200);
    };
    const contoso = client.tenant('contoso');
    const sealed = await Promise.all(Array.from({ length: 3_000 }, (_, at) => contoso.encrypt(String(at), { timeoutMs: 120_000 })));
    assert.equal(new Set(sealed).size, 3_000);
    assert.ok(fake.seen.length > 3, 'the batches are sent again');
  });

  it('of a proxy is no problem of the service', async () => {
    fake.answer = (_seen, response) => void response.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>Bad gateway</h1>');
    const error = await failure(client.tenant('contoso').encrypt('a'));
    assert.deepEqual([error.code, error.status], ['unexpected-answer', 502]);
  });

  it('of an answer that is no JSON is unexpected', async () => {
    fake.answer = (_seen, response) => void response.writeHead(200).end('<h1>Welcome</h1>');
    assert.equal((await failure(client.tenant('contoso').encrypt('a'))).code, 'unexpected-answer');
  });

  it('is timed-out when nothing is answered', async () => {
    fake.answer = () => undefined;
    assert.equal((await failure(client.tenant('contoso').encrypt('a', { timeoutMs: 100 }))).code, 'timed-out');
  });

  it('is not followed to another address', async () => {
    fake.answer = (_seen, response) => void response.writeHead(307, { Location: 'http://127.0.0.1:1/' }).end();
    const error = await failure(client.tenant('contoso').encrypt('a'));
    assert.deepEqual([error.code, error.status, fake.seen.length], ['unexpected-answer', 307, 1]);
  });

  it('is timed-out with the last failure as its cause', async () => {
    fake.answer = (_seen, response) => {
      if (fake.seen.length === 1) sendJson(response, 503, problem(503, 'draining'), { 'Retry-After': '0' });
    };
    const error = await failure(client.tenant('contoso').encrypt('a', { timeoutMs: 2_000 }));
    assert.equal(error.code, 'timed-out');
    assert.equal((error.cause as VaultspanError).code, 'draining');
  });

  it('of a batch that is too large for the service is sent in halves', async () => {
    fake.answer = (seen, response) => {
      if ((seen.body.items?.length ?? 1) > 2) sendJson(response, 413, problem(413, 'body-too-large'));
      else echo(seen, response);
    };
    const contoso = client.tenant('contoso');
    const sealed = await Promise.all(Array.from({ length: 7 }, (_, at) => contoso.encrypt(String(at))));
    assert.equal(new Set(sealed).size, 7);
    fake.answer = (_seen, response) => sendJson(response, 413, problem(413, 'body-too-large'));
    assert.equal((await failure(contoso.encrypt('a'))).code, 'body-too-large');
  });

  it('of a batch that is too large for a proxy, whose page is no problem, is sent in halves', async () => {
    fake.answer = (seen, response) => {
      if ((seen.body.items?.length ?? 1) > 2) response.writeHead(413, { 'Content-Type': 'text/html' }).end('<h1>413</h1>');
      else echo(seen, response);
    };
    const contoso = client.tenant('contoso');
    assert.equal(new Set(await Promise.all(['1', '2', '3'].map((text) => contoso.encrypt(text)))).size, 3);
    fake.answer = (_seen, response) => {
      response.writeHead(413).end();
    };
    assert.equal((await failure(contoso.encrypt('a'))).code, 'unexpected-answer');
  });

  it('is asked of the service once only: later batches are as small as it takes', async () => {
    const most = 40_000;
    fake.answer = (seen, response) => {
      const bytes = (seen.body.items ?? []).reduce((sum, { plaintext }) => sum + Buffer.byteLength(plaintext ?? '', 'base64'), 0);
      if (bytes > most) sendJson(response, 413, problem(413, 'body-too-large'));
      else echo(seen, response);
    };
    const refused = async (length: number) => {
      const before = fake.seen.length;
      const contoso = client.tenant('contoso');
      await Promise.all(Array.from({ length: 100 }, () => contoso.encrypt('x'.repeat(length))));
      const sizes = fake.seen.slice(before).map(({ body }) => (body.items?.length ?? 1) * length);
      return [sizes.filter((size) => size > most).length, sizes.length];
    };
    assert.ok(((await refused(2_000))[0] ?? 0) > 0);
    assert.deepEqual(await refused(2_000), [0, 9]);
    assert.deepEqual(await refused(200), [0, 1]);
  });

  for (const [name, answer] of Object.entries({ 'an empty object': {}, 'other members': { ciphertext: 7, fields: { a: 'x' } }, 'a list': [] })) {
    it(`of ${name} in place of an answer is unexpected, never a value to store`, async () => {
      fake.answer = (_seen, response) => sendJson(response, 200, answer);
      const contoso = client.tenant('contoso');
      for (const work of [
        () => contoso.encrypt('a'),
        () => Promise.all([contoso.encrypt('a'), contoso.encrypt('b')]),
        () => contoso.decrypt('a'),
        () => contoso.rewrap('a'),
        () => contoso.encryptFields({ a: '1', b: '2' }),
        () => contoso.decryptFields({ a: '1', b: '2' }),
        () => contoso.rewrapFields({ a: '1', b: '2' }),
        () => contoso.index('email').tokens(['a']),
        () => contoso.index('email').encryptDeterministic(['a']),
        () => contoso.index('email').decryptDeterministic(['a']),
      ]) {
        assert.equal((await failure(work())).code, 'unexpected-answer', String(work));
      }
    });
  }
});

describe('a token', () => {
  it('that the service refuses is asked for once more', async () => {
    let asked = 0;
    const contoso = new Vaultspan({ url: fake.url, token: () => `token-${++asked}` }).tenant('contoso');
    fake.answer = (seen, response) => {
      if (seen.headers.authorization === 'Bearer token-1') sendJson(response, 401, problem(401, 'unauthenticated'));
      else echo(seen, response);
    };
    assert.match(await contoso.encrypt('a'), /^sealed:/);
    fake.answer = (_seen, response) => sendJson(response, 401, problem(401, 'unauthenticated'));
    assert.equal((await failure(contoso.encrypt('a'))).code, 'unauthenticated');
  });

  it('of a credential is kept until two minutes before its end', async () => {
    let asked = 0;
    let lifetimeMs = 3_600_000;
    const credential = {
      getToken: async (scope: string | string[]) => {
        assert.equal(scope, 'api://vaultspan/.default');
        return { token: `t${++asked}`, expiresOnTimestamp: Date.now() + lifetimeMs };
      },
    };
    const contoso = new Vaultspan({ url: fake.url, token: { credential, scope: 'api://vaultspan/.default' } }).tenant('contoso');
    await contoso.encrypt('a');
    await contoso.encrypt('a');
    assert.equal(asked, 1);
    lifetimeMs = 60_000;
    fake.answer = (seen, response) => {
      if (seen.headers.authorization === 'Bearer t1') sendJson(response, 401, problem(401, 'unauthenticated'));
      else echo(seen, response);
    };
    await contoso.encrypt('a');
    await contoso.encrypt('a');
    assert.equal(asked, 3);
  });
});

describe('a token with characters that a header cannot hold', () => {
  it('is refused without being shown, and the end of a line is no part of it', async () => {
    assert.throws(() => new Vaultspan({ url: fake.url, token: 'secret\ntoken' }), (error) => !inspect(error).includes('secret'));
    const asked = new Vaultspan({ url: fake.url, token: () => 'secret\u0000token' }).tenant('contoso');
    await assert.rejects(asked.encrypt('a'), (error) => error instanceof TypeError && !inspect(error).includes('secret'));
    assert.equal(fake.seen.length, 0);
    await new Vaultspan({ url: fake.url, token: 'secret-token\n' }).tenant('contoso').encrypt('a');
    assert.equal(fake.seen[0]?.headers.authorization, 'Bearer secret-token');
  });

  it('never stops a call beyond its time, though the function that gives it hangs', async () => {
    const hanging = new Vaultspan({ url: fake.url, token: () => new Promise<string>(() => undefined), timeoutMs: 50 });
    const failures = await Promise.all(Array.from({ length: 20 }, (_, at) => failure(hanging.tenant(`t${at}`).encrypt('a'))));
    assert.ok(failures.every(({ code }) => code === 'timed-out'));
    await hanging.close();
  });
});

describe('input', () => {
  it('that is neither text nor bytes is named', async () => {
    const contoso = client.tenant('contoso');
    await assert.rejects(contoso.encrypt(7 as never), /^TypeError: data is a number/);
    await assert.rejects(contoso.encrypt('\ud800'), /lone surrogate/);
    await assert.rejects(contoso.encryptFields({ age: 7 }), /^TypeError: age is a number/);
    await assert.rejects(contoso.encryptFields({ age: '7' }, { only: ['name' as never] }), /only names name/);
    await assert.rejects(contoso.encrypt('a', { context: { id: 7 } as never }), /context\.id is a number/);
    for (const none of [null, undefined]) await assert.rejects(contoso.decrypt(none as never), /^TypeError: ciphertext is/);
    await assert.rejects(contoso.rewrap(7 as never), /^TypeError: ciphertext is/);
    await assert.rejects(contoso.encrypt('a', { access: { subject: '\ud800' } }), URIError);
    assert.equal(fake.seen.length, 0);
  });

  it('with a name that no option has is refused: a misspelt context would be none', async () => {
    const contoso = client.tenant('contoso');
    const misspelt = { encryptionContext: { id: '17' } } as object;
    for (const call of [
      () => contoso.encrypt('a', misspelt),
      () => contoso.decrypt('a', misspelt),
      () => contoso.rewrap('a', misspelt),
      () => contoso.encryptFields({ a: '1' }, misspelt),
      () => contoso.decryptFields({ a: '1' }, misspelt),
      () => contoso.rewrapFields({ a: '1' }, misspelt),
      () => contoso.index('email').encryptDeterministic(['a'], misspelt),
      async () => contoso.encryptStream(misspelt),
    ]) {
      await assert.rejects(call(), /^TypeError: options has an unknown member encryptionContext: known are context/, String(call));
    }
    await assert.rejects(contoso.encrypt('a', 'context' as never), /^TypeError: options is a string: give an object/);
    await assert.rejects(contoso.encrypt('a', { access: { user: 'ann' } as never }), /^TypeError: access has an unknown member user/);
    assert.throws(() => client.tenant('contoso', { subject: 'ann' } as never), /^TypeError: options has an unknown member subject/);
    assert.throws(() => new Vaultspan({ url: fake.url, token: 't', timeout: 5 } as never), /^TypeError: options has an unknown member timeout/);
    assert.throws(() => new Vaultspan({ url: fake.url, token: 't', batch: { items: 5 } as never }), /^TypeError: batch has an unknown member items/);
    assert.equal(fake.seen.length, 0);
  });

  it('of a context or a record that has no members, such as a Map, is refused: it would be an empty one', async () => {
    const contoso = client.tenant('contoso');
    const pairs = [['id', '17']] as const;
    for (const [wrong, kind] of [[new Map(pairs), 'a Map'], [pairs, 'an array'], ['id=17', 'a string'], [null, 'null'], [new URLSearchParams('id=17'), 'an? URLSearchParams']] as const) {
      const message = new RegExp(`^TypeError: (context|record) is ${kind}: give an object`);
      await assert.rejects(contoso.encrypt('a', { context: wrong as never }), message);
      await assert.rejects(contoso.encryptFields({ a: '1' }, { context: wrong as never }), message);
      await assert.rejects(contoso.encryptFields(wrong as never), message);
      await assert.rejects(contoso.decryptFields(wrong as never), message);
    }
    assert.equal(fake.seen.length, 0);
  });

  it('of names that every object has is a field like another', async () => {
    const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__'];
    fake.answer = ({ body }, response) => sendJson(response, 200, { fields: body['fields'], keyId: 'k' });
    const record = Object.fromEntries(names.map((name) => [name, 'ann']));
    const sealed = await client.tenant('contoso').encryptFields(record);
    assert.deepEqual(Object.keys(sealed), names);
    assert.deepEqual(await client.tenant('contoso').decryptFields(sealed), record);
    fake.answer = (_seen, response) => sendJson(response, 200, { fields: {}, keyId: 'k' });
    for (const name of names) assert.equal((await failure(client.tenant('contoso').encryptFields({ [name]: 'ann' }))).code, 'unexpected-answer');
  });

  it('of settings that are missing is named, and not shown', async () => {
    assert.throws(() => new Vaultspan({ url: undefined as never, token: 't' }), /^TypeError: url is undefined: give the service's/);
    assert.throws(() => new Vaultspan({ url: 'user:password', token: 't' } as never), (error) => !inspect(error).includes('password'));
    for (const token of [undefined, null, 7, { credential: {} }, { credential: { getToken: () => null } }]) {
      assert.throws(() => new Vaultspan({ url: fake.url, token: token as never }), /^TypeError: token is (undefined|null|a number|an object): give a string, a function/);
    }
    for (const local of ['Required', null, 1]) {
      assert.throws(() => new Vaultspan({ url: fake.url, token: 't', local: local as never }), /^TypeError: local must be true, false or 'required'/);
    }
    const forgetful = new Vaultspan({ url: fake.url, token: () => undefined as never }).tenant('contoso');
    await assert.rejects(forgetful.encrypt('a'), /^TypeError: The token function gave undefined/);
    assert.equal(fake.seen.length, 0);
  });

  it('of a time that no timer can wait is refused', async () => {
    for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      assert.throws(() => new Vaultspan({ url: fake.url, token: 't', timeoutMs }), /timeoutMs must/);
      await assert.rejects(client.tenant('contoso').encrypt('a', { timeoutMs }), /timeoutMs must/);
    }
    for (const batch of [{ maxItems: 1001 }, { maxItems: 0 }, { maxBytes: 0.5 }, { maxWaitMs: 1001 }]) {
      assert.throws(() => new Vaultspan({ url: fake.url, token: 't', batch }), /must be a whole number/);
    }
    assert.equal(fake.seen.length, 0);
  });

  it('of many small fields stays within the values that one body may have', async () => {
    fake.answer = ({ body }, response) => {
      const sealed = (item: Record<string, unknown>) => ({ fields: item['fields'], keyId: 'k' });
      sendJson(response, 200, body.items === undefined ? sealed(body) : { items: body.items.map(sealed) });
    };
    const record = Object.fromEntries(Array.from({ length: 250 }, (_, at) => [`field-${at}`, '']));
    await Promise.all(Array.from({ length: 500 }, () => client.tenant('contoso').encryptFields(record)));
    assert.ok(fake.seen.every(({ body }) => (body.items?.length ?? 1) * 250 < 50_000));
  });

  it('of a record without values asks nothing', async () => {
    assert.deepEqual(await client.tenant('contoso').encryptFields({ email: null, note: undefined }), { email: null, note: undefined });
    assert.equal(fake.seen.length, 0);
  });

  it('of an address that would show the token is refused', () => {
    assert.throws(() => new Vaultspan({ url: 'http://vaultspan.example', token: 't' }), /use https/);
    assert.throws(() => new Vaultspan({ url: 'https://user:pw@vaultspan.example', token: 't' }), /use token/);
    assert.throws(() => client.tenant('../contoso'), /tenant id/);
  });

  it('of a base path is kept', async () => {
    await new Vaultspan({ url: `${fake.url}/encryption`, token: 't' }).tenant('contoso').encrypt('a');
    assert.equal(fake.seen[0]?.url, '/encryption/tenants/contoso/encrypt');
  });
});

describe('closing', () => {
  it('waits for open calls, refuses further ones, and may be done twice', async () => {
    const work = client.tenant('contoso').encrypt('a');
    await Promise.all([client.close(), client.close()]);
    assert.match(await work, /^sealed:/);
    assert.equal((await failure(client.tenant('contoso').encrypt('a'))).code, 'closed');
    assert.throws(() => client.tenant('contoso').encryptStream(), /^VaultspanError: closed/);
  });
});

describe('printing', () => {
  it('shows no secret', () => {
    const plain = new Plaintext(new TextEncoder().encode('hunter2'));
    const shown = [inspect(client), inspect(client.tenant('contoso')), inspect(plain), String(plain), JSON.stringify({ plain })].join();
    assert.ok(!/secret-token|hunter2/.test(shown), shown);
    assert.equal(plain.text(), 'hunter2');
  });
});

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { ServiceError } from '../../src/errors.ts';
import { FailureLog } from '../../src/telemetry/failure-log.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const BREAKER = 'vault-unavailable breaker';
const NO_RECORD = 'audit-unavailable write-failed';

const unavailable = (cause: string) =>
  new ServiceError('audit-unavailable', 'no record', { cause: Object.assign(new Error('write'), { code: cause }) });

test('the first failure of a cause is logged at once, later ones of an interval as one line with their number', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = new FailureLog({ write: (fields) => lines.push({ ...fields }), intervalMs: 50 });
  const fail = (requestId: string, cause: string) => log.add({ requestId }, unavailable(cause));
  fail('a', 'ENOSPC');
  fail('b', 'ENOSPC');
  fail('c', 'EIO');
  fail('d', 'ENOSPC');
  expect(lines).toMatchObject([{ requestId: 'a' }, { requestId: 'c' }]);
  expect(lines.map(({ count }) => count)).toEqual([undefined, undefined]);
  await until(() => lines.length > 2, 'the line of the interval');
  expect(lines[2]).toMatchObject({ requestId: 'd', count: 2, error: { cause: { code: 'ENOSPC' } } });
  fail('e', 'ENOSPC');
  expect(lines).toHaveLength(3);
  await log.close();
  expect(lines.slice(3)).toMatchObject([{ requestId: 'e', count: 1 }]);
});

test('a cause without a failure for an interval is dropped: its next failure is logged at once', async () => {
  const lines: object[] = [];
  const log = new FailureLog({ write: (fields) => lines.push(fields), intervalMs: 10 });
  log.add({}, unavailable('ENOSPC'));
  await sleep(50);
  log.add({}, unavailable('ENOSPC'));
  expect(lines).toHaveLength(2);
  await log.close();
  expect(lines).toHaveLength(2);
});

test('two faults of our own are two causes, and causes beyond the limit share a line', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = new FailureLog({ write: (fields) => lines.push({ ...fields }), maxCauses: 3 });
  const first = () => log.add({ requestId: 'first' }, new TypeError('a secret'));
  const second = () => log.add({ requestId: 'second' }, new TypeError('a secret'));
  for (const fail of [first, second, first, second]) fail();
  expect(lines).toMatchObject([{ requestId: 'first' }, { requestId: 'second' }]);
  for (let n = 0; n < 10; n += 1) log.add({}, unavailable(`E${n}`));
  expect(lines).toHaveLength(4);
  await log.close();
  expect(lines.slice(4).map(({ count }) => count)).toEqual([1, 1, 8]);
});

interface Answer {
  readonly body: Readonly<Record<string, string>>;
}

interface Line {
  readonly msg: string;
  readonly count?: number;
  readonly error: { readonly code: string; readonly reason?: string };
}

/**
 * Returns the lines of failed requests with that code and reason, and the number of failures that
 * they stand for.
 */
function failuresOf(service: TestService, wanted: string) {
  const lines = service.logLines
    .map((line) => JSON.parse(line) as Line)
    .filter(({ msg, error }) => msg === 'request failed' && `${error.code} ${error.reason}` === wanted);
  return { lines: lines.length, failures: lines.reduce((sum, { count = 1 }) => sum + count, 0) };
}

test('requests refused while a circuit breaker is open, or while the audit log accepts nothing, get a line and a count', async () => {
  const REQUESTS = 15;
  await using service = await startService({
    config: { vault: { deadlineSeconds: 5 } },
    tenant: (record) => ({ ...record, dataKeys: { mode: 'perMessage' } }), // each ciphertext causes an unwrap of its own
  });
  const all = (send: (at: number) => PromiseLike<Answer>) =>
    Promise.all(Array.from({ length: REQUESTS }, (_, at) => send(at)));
  const sealed = await all(() => service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' }));
  const decryptAll = async () => {
    const answers = await all((at) =>
      service.post('/tenants/contoso/decrypt', { ciphertext: sealed[at]?.body['ciphertext'] }),
    );
    return [...new Set(answers.map(({ body }) => `${body['code']} ${body['reason']}`))];
  };
  await service.emulator.control.injectFault({ at: 'contoso', kind: 'hang' });
  service.clock.stop(); // an open breaker stays open
  await decryptAll(); // ten outages open the breaker
  const before = failuresOf(service, BREAKER).failures;
  expect(await decryptAll()).toEqual([BREAKER]);
  expect(await decryptAll()).toEqual([BREAKER]);
  expect(failuresOf(service, BREAKER).lines).toBeLessThan(5); // one in each interval

  const directory = join(service.folder, 'audit');
  await rm(directory, { recursive: true });
  await writeFile(directory, 'not a directory');
  expect(await decryptAll()).toEqual([NO_RECORD]);
  // The first group of records fails in another way than later ones.
  expect(failuresOf(service, NO_RECORD).lines).toBeLessThan(5);

  await service.stop();
  expect(failuresOf(service, BREAKER).failures).toBe(before + 2 * REQUESTS);
  expect(failuresOf(service, NO_RECORD).failures).toBe(REQUESTS);
});
